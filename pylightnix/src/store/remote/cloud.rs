//! Remotes in object stores: buckets of S3 and its like, of Google and of Azure.

use std::env;
use std::error::Error as StdError;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Place;
use object_store::{BackoffConfig, ClientOptions, HeaderValue, RetryConfig};
use uuid::Uuid;

use super::asynchronous::{Asked, Store, Waiting};
use super::aws_profile::{Keys, Profile};
use super::backend::{Backend, Object, ObjectReader};
use super::connector::Connector;
use super::upload::{self, Sending, Stopped};
use crate::{Error, ErrorKind, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the server may be silent while it is sent much.
const PATIENCE_SENDING: Duration = Duration::from_secs(5 * 60);
/// The number of repetitions of a request, and how long after the first they may begin.
const REPETITIONS: (usize, Duration) = (5, Duration::from_secs(15));
/// From this size on, sending may take its time.
const MUCH: usize = 256 << 10;

/// A bucket, or a folder in it, with the objects of a remote.
///
/// The address is `s3://bucket/folder`, `gs://..`, `az://..` or `abfss://container@account.dfs.core.windows.net/..`. Endpoints, regions
/// and credentials are those that the crate `object_store` finds in the environment, and for S3 those of the profile that
/// `AWS_PROFILE` names.
///
/// ```
/// use pylightnix::store::remote::{Backend, CloudBackend};
///
/// let backend = CloudBackend::new("s3://results/team")?; // asks nothing yet
/// assert_eq!(backend.url(), "s3://results/team");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CloudBackend {
    url: String,
    service: Service,
    /// What the names of all objects begin with: nothing, or a folder and a slash.
    prefix: String,
    store: Waiting,
}

/// Whose object store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Amazon,
    Google,
    Azure,
}

impl Service {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Service::Amazon),
            "gs" => Some(Service::Google),
            "az" | "abfs" | "abfss" => Some(Service::Azure),
            _ => None,
        }
    }

    /// Says where credentials are looked for.
    fn credentials(self) -> &'static str {
        match self {
            Service::Amazon => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws in AWS_PROFILE; they need the right to list, \
                 read and write there"
            }
            Service::Google => {
                "name the file of a service account in GOOGLE_SERVICE_ACCOUNT, or run `gcloud auth application-default login`; the account \
                 needs the right to list, read and write there"
            }
            Service::Azure => {
                "set AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_USE_AZURE_CLI=true after `az login`; they \
                 need the right to list, read and write there"
            }
        }
    }
}

impl CloudBackend {
    /// Uses the objects at this address. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not valid, or contains a password; a setting of the environment or a profile is not valid.
    pub fn new(url: &str) -> Result<Self> {
        let shown = shown(url);
        let fault = |why: &str| {
            let text = format!("the address {shown:?} of a remote {why}");
            Error::new(ErrorKind::Remote, text)
                .with_help("it has to be like `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`")
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| fault("has no protocol"))?;
        let service = Service::of(scheme).ok_or_else(|| fault("is of no known object store"))?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        // `container@account` is the one thing that may stand before an `@`.
        let before = bucket.rsplit_once('@').map(|(before, _)| before);
        if before.is_some_and(|before| !scheme.starts_with("abfs") || before.contains(':')) {
            return Err(fault("contains a user or a password").with_help(
                "leave it out: credentials are taken from the environment and from ~/.aws, and are kept nowhere",
            ));
        }
        if bucket.is_empty()
            || rest.contains(['?', '#', '%', '\\'])
            || rest.contains(char::is_whitespace)
        {
            return Err(fault("is not valid"));
        }
        let folder = folder.trim_matches('/');
        Place::parse(folder).map_err(|_| fault("is not valid"))?;
        let prefix = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let url = format!("{scheme}://{bucket}/{folder}");
        let url = url.trim_end_matches('/').to_owned();
        use_tls();
        let with = |patience| store(service, &url, &fault, patience);
        let store = Waiting::new(with(PATIENCE)?, with(PATIENCE_SENDING)?);
        Ok(CloudBackend {
            url,
            service,
            prefix,
            store,
        })
    }

    fn place(&self, object: &str) -> Result<Place> {
        Place::parse(format!("{}{object}", self.prefix)).map_err(|_| {
            let text = format!("{object:?} cannot be the name of an object of a remote");
            Error::new(ErrorKind::Remote, text)
        })
    }

    /// Sends a file in parts. Returns the number of requests.
    fn send(&self, object: &str, path: &Path, size: u64, notes: Option<&Path>) -> Result<u64> {
        let sending = Sending {
            store: &self.store,
            object: self.place(object)?,
            path,
            size,
            notes,
        };
        sending.run().map_err(|stopped| match stopped {
            Stopped::Here(error) => error,
            Stopped::There(error) => self.failed("write", object, &error),
        })
    }

    /// Returns the error for a request that failed, after the crate has repeated it; `what` is a verb.
    fn failed(&self, what: &str, object: &str, error: &object_store::Error) -> Error {
        let why = why(error);
        let url = &self.url;
        let fault = |text: String| Error::new(ErrorKind::Remote, text);
        let all = error.to_string();
        let is_refused = ["401", "403"]
            .iter()
            .any(|status| all.contains(&format!("status code: {status}")))
            || matches!(error, object_store::Error::Unauthenticated { .. });
        if is_no_bucket(&all) {
            return fault(format!("there is no bucket or container at {url}: {why}"))
                .with_help("make it, which needs rights that this program does not ask for; or correct the address");
        }
        // Where machines of the services find their own credentials.
        let places = [
            "169.254.",
            "/latest/api/token",
            "/latest/meta-data",
            "metadata.google.internal",
        ];
        let is_none = places.iter().any(|place| all.contains(place));
        if is_none {
            return fault(format!("no credentials were found for {url}: {why}"))
                .with_help(self.service.credentials());
        }
        let text = format!("cannot {what} {object} at the remote {url}: {why}");
        if is_refused {
            return fault(text).with_help(self.service.credentials());
        }
        let is_elsewhere = all.contains("status code: 3");
        let help = match (all.contains("without LOCATION"), is_elsewhere) {
            (true, _) => "set AWS_REGION to the region of the bucket",
            (_, true) => {
                "redirects are not followed: set the endpoint, and for S3 the region in AWS_REGION, to where the bucket is"
            }
            _ => "check the address, the endpoint and the network; then try again",
        };
        fault(text).with_help(help)
    }
}

/// Returns what of an address may be shown: neither a password nor a signature.
fn shown(url: &str) -> &str {
    let url = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    url.split(['?', '#']).next().unwrap_or_default()
}

fn size(file: &Path) -> Result<u64> {
    let found = fs::metadata(file).map_err(|error| Error::io("look at", file, error))?;
    Ok(found.len())
}

/// Whether the server says that a bucket does not exist.
fn is_no_bucket(error: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]
        .iter()
        .any(|said| error.contains(said))
}

/// Says in a few words why a request failed: what the server answered, or what the system said. Without the rest of an answer,
/// which may have more than messages should.
pub(super) fn why(error: &object_store::Error) -> String {
    let all = error.to_string();
    let between = |open: &str, close: &str| {
        let rest = all.split_once(open)?.1;
        Some(rest.split_once(close)?.0.trim().to_owned())
    };
    let code = between("<Code>", "</Code>").filter(|code| code.len() < 100);
    let status = all
        .split_once("status code: ")
        .map(|(_, rest)| rest.split(':').next().unwrap_or_default().trim());
    match (status, code) {
        (Some(status), Some(code)) => return format!("the server answered `{status}`, {code}"),
        (Some(status), None) => return format!("the server answered `{status}`"),
        (None, Some(code)) => return format!("the server answered {code}"),
        (None, None) => {}
    }
    // The last cause is the shortest.
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Gives all connections of this process the TLS that `ureq` has, unless the program has chosen one.
fn use_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Returns the settings of the environment whose names begin with `prefix`, and which the crate knows.
fn settings<K: FromStr>(prefix: &str) -> Vec<(K, String)> {
    let all = env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = name.starts_with(prefix).then(|| name.to_lowercase())?;
        Some((key.parse().ok()?, value)).filter(|(_, value)| !value.is_empty())
    });
    all.collect()
}

fn store(
    service: Service,
    url: &str,
    fault: &dyn Fn(&str) -> Error,
    patience: Duration,
) -> Result<Arc<dyn Store>> {
    let agent = HeaderValue::from_static(concat!("pylightnix/", env!("CARGO_PKG_VERSION")));
    let options = ClientOptions::new()
        .with_user_agent(agent)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(patience)
        // Large bodies take their time.
        .with_timeout_disabled();
    let retry = RetryConfig {
        backoff: BackoffConfig {
            max_backoff: Duration::from_secs(2),
            ..BackoffConfig::default()
        },
        max_retries: REPETITIONS.0,
        retry_timeout: REPETITIONS.1,
    };
    let unfit = |error: object_store::Error| {
        fault(&format!(
            "cannot be used with the settings of the environment: {}",
            why(&error)
        ))
        .with_help(service.credentials())
    };
    Ok(match service {
        Service::Amazon => Arc::new(
            amazon(url, options)?
                .with_http_connector(Connector)
                .with_retry(retry)
                .build()
                .map_err(unfit)?,
        ),
        Service::Google => {
            let mut builder = GoogleCloudStorageBuilder::new().with_client_options(options);
            for (key, value) in settings::<GoogleConfigKey>("GOOGLE_") {
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_url(url).with_retry(retry);
            let builder = builder.with_http_connector(Connector);
            Arc::new(builder.build().map_err(unfit)?)
        }
        Service::Azure => {
            let mut builder = MicrosoftAzureBuilder::new().with_client_options(options);
            for (key, value) in settings::<AzureConfigKey>("AZURE_") {
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_url(url).with_retry(retry);
            let builder = builder.with_http_connector(Connector);
            Arc::new(builder.build().map_err(unfit)?)
        }
    })
}

/// Returns the settings for S3: those of the environment, then those of the profile.
fn amazon(url: &str, options: ClientOptions) -> Result<AmazonS3Builder> {
    use AmazonS3ConfigKey as Key;
    let mut builder = AmazonS3Builder::new().with_client_options(options);
    for (key, value) in settings::<Key>("AWS_") {
        builder = builder.with_config(key, value);
    }
    builder = builder.with_url(url);
    let has = |builder: &AmazonS3Builder, keys: &[Key]| {
        keys.iter()
            .any(|key| builder.get_config_value(key).is_some())
    };
    let profile = Profile::read()?;
    // The region of the environment is taken by either name.
    if let Some(region) = profile.region
        && !has(&builder, &[Key::Region, Key::DefaultRegion])
    {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = profile.endpoint
        && !has(&builder, &[Key::Endpoint, Key::S3Endpoint])
    {
        builder = builder.with_endpoint(endpoint);
    }
    let of_environment = [
        Key::AccessKeyId,
        Key::SecretAccessKey,
        Key::WebIdentityTokenFile,
        Key::ContainerCredentialsRelativeUri,
        Key::ContainerCredentialsFullUri,
    ];
    if !has(&builder, &of_environment) {
        match profile.keys {
            Some(Keys::Fixed(keys)) => {
                let find = Arc::new(move || Ok(keys.clone()));
                builder = builder.with_credentials(Arc::new(Asked(find)));
            }
            Some(Keys::Process(process)) => {
                let find = Arc::new(move || process.credential());
                builder = builder.with_credentials(Arc::new(Asked(find)));
            }
            None => {}
        }
    }
    Ok(builder)
}

impl Backend for CloudBackend {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        let listed = self
            .store
            .list(self.place(folder)?)
            .map_err(|error| self.failed("list", folder, &error))?;
        let objects = listed.into_iter().filter_map(|found| {
            let name = found.location.as_ref().strip_prefix(&self.prefix)?;
            Some(Object::new(name, found.size))
        });
        let mut objects: Vec<Object> = objects.collect();
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(objects))
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let place = self.place(object)?;
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(Some(Box::new(io::empty())));
        }
        match self.store.get(place, range) {
            Ok(body) => Ok(Some(Box::new(body))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed("read", object, &error)),
        }
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        match self.store.head(self.place(object)?) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed("look at", object, &error)),
        }
    }

    fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.store
            .put(self.place(object)?, bytes.to_vec(), bytes.len() > MUCH)
            .map_err(|error| self.failed("write", object, &error))
    }

    fn put_file(&self, object: &str, file: &Path) -> Result<()> {
        let size = size(file)?;
        if size <= upload::PART {
            let bytes = fs::read(file).map_err(|error| Error::io("read", file, error))?;
            return self.put(object, &bytes);
        }
        self.send(object, file, size, None).map(|_| ())
    }

    fn resume_file(&self, object: &str, file: &Path, notes: &Path) -> Result<u64> {
        let size = size(file)?;
        match size <= upload::PART {
            true => self.put_file(object, file).map(|()| 1),
            false => self.send(object, file, size, Some(notes)),
        }
    }

    fn delete(&self, object: &str) -> Result<()> {
        match self.store.delete(self.place(object)?) {
            Err(error) if !is_missing(&error) => Err(self.failed("delete", object, &error)),
            _ => Ok(()),
        }
    }

    /// The time of an object that is put for this.
    fn time(&self) -> Result<Timestamp> {
        let object = format!("time-{}", Uuid::now_v7());
        let place = self.place(&object)?;
        let failed = |error| self.failed("write", &object, &error);
        self.store
            .put(place.clone(), Vec::new(), false)
            .map_err(failed)?;
        let found = self.store.head(place);
        self.delete(&object)?;
        let seconds = found.map_err(failed)?.last_modified.timestamp();
        Timestamp::from_second(seconds).map_err(|error| {
            let text = format!("{} has no valid time", self.url);
            Error::new(ErrorKind::Remote, text).because(error)
        })
    }
}

/// Whether there is no such object, or no such bytes of it. Without a bucket, nothing can be said of objects.
fn is_missing(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::NotFound { .. } => !is_no_bucket(&error.to_string()),
        error => error.to_string().contains("status code: 416"),
    }
}
