//! Connections to object stores, on which redirects are not followed.
//!
//! The client that `object_store` makes follows them to any server, and has no option against it. A request goes to the server that the
//! address and the settings name, or fails.

use std::error::Error as StdError;
use std::str::FromStr;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientConfigKey as Key, ClientOptions};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy};

use crate::units;

/// Makes clients as the options say, but for redirects.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let builder = builder(options).map_err(unfit)?;
        let client = builder.build().map_err(|error| unfit(error.into()))?;
        Ok(HttpClient::new(client))
    }
}

type Fault = Box<dyn StdError + Send + Sync>;

fn unfit(source: Fault) -> object_store::Error {
    object_store::Error::Generic {
        store: "remote",
        source,
    }
}

fn builder(options: &ClientOptions) -> Result<ClientBuilder, Fault> {
    let told = |key: Key| options.get_config_value(&key);
    let is = |key| told(key).map_or(Ok(false), |text| read(&text));
    let time = |key| told(key).map(|text| duration(&text)).transpose();
    let mut builder = ClientBuilder::new()
        .redirect(Policy::none())
        .https_only(!is(Key::AllowHttp)?)
        .danger_accept_invalid_certs(is(Key::AllowInvalidCertificates)?)
        // An object has the length that the server says.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if is(Key::Http1Only)? {
        builder = builder.http1_only();
    }
    if is(Key::NoSystemCertificates)? {
        builder = builder.tls_certs_only([]);
    }
    if let Some(agent) = told(Key::UserAgent) {
        builder = builder.user_agent(agent);
    }
    if let Some(url) = told(Key::ProxyUrl) {
        let mut proxy = Proxy::all(url)?;
        if let Some(hosts) = told(Key::ProxyExcludes) {
            proxy = proxy.no_proxy(NoProxy::from_string(&hosts));
        }
        if let Some(pem) = told(Key::ProxyCaCertificate) {
            builder = builder.tls_certs_merge([Certificate::from_pem(pem.as_bytes())?]);
        }
        builder = builder.proxy(proxy);
    }
    if let Some(time) = time(Key::Timeout)? {
        builder = builder.timeout(time);
    }
    if let Some(time) = time(Key::ConnectTimeout)? {
        builder = builder.connect_timeout(time);
    }
    if let Some(time) = time(Key::ReadTimeout)? {
        builder = builder.read_timeout(time);
    }
    if let Some(time) = time(Key::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(time);
    }
    if let Some(most) = told(Key::PoolMaxIdlePerHost) {
        builder = builder.pool_max_idle_per_host(read(&most)?);
    }
    Ok(builder)
}

fn read<T: FromStr<Err: StdError + Send + Sync + 'static>>(text: &str) -> Result<T, Fault> {
    Ok(text.trim().parse()?)
}

fn duration(text: &str) -> Result<Duration, Fault> {
    units::duration(text).map_err(|misread| misread.to_string().into())
}
