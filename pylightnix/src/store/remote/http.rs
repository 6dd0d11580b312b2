//! Remotes on web servers, for reading alone. Any server of files will do, also one that knows no ranges.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use ureq::Agent;
use ureq::http::{Method, Request, Response, StatusCode, Uri, header};

use super::backend::{Backend, Object, ObjectReader};
use crate::{BoxError, Error, ErrorKind, Result};

/// The maximum number of redirects.
const REDIRECTS: usize = 5;
/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A web server with the objects of a remote as files.
#[derive(Debug)]
pub struct HttpBackend {
    /// The address of the folder, with a slash at its end.
    base: Uri,
    agent: Agent,
}

impl HttpBackend {
    /// Uses the files below this URL.
    ///
    /// # Errors
    /// The URL is not valid, or contains a password.
    pub fn new(url: &str) -> Result<Self> {
        let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
        let fault = |why: &str| {
            Error::new(
                ErrorKind::Remote,
                format!("the address {shown:?} of a remote {why}"),
            )
        };
        let folder = url.trim_end_matches('/');
        let base: Uri = format!("{folder}/")
            .parse()
            .map_err(|error| fault("is not a valid URL").because(BoxError::from(error)))?;
        if base
            .authority()
            .is_none_or(|place| place.as_str().contains('@'))
        {
            return Err(fault("has no host, or contains a user or a password")
                .with_help("passwords are kept nowhere: serve the remote without one, or use another kind of remote"));
        }
        if base.query().is_some() {
            return Err(fault("has a query, and has to be that of a folder"));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, and only on the same server.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("pylightnix/", env!("CARGO_PKG_VERSION")))
            // Objects are compressed as they have to be.
            .accept_encoding("identity")
            .build()
            .into();
        Ok(HttpBackend { base, agent })
    }

    /// Asks for an object; `None` if there is none.
    fn ask(
        &self,
        method: &Method,
        object: &str,
        range: Option<&Range<u64>>,
    ) -> Result<Option<Response<ureq::Body>>> {
        let mut at = format!("{}{object}", self.base);
        for _ in 0..=REDIRECTS {
            let mut request = Request::builder().method(method).uri(&at);
            if let Some(range) = range {
                let last = range.end.saturating_sub(1);
                request = request.header(header::RANGE, format!("bytes={}-{last}", range.start));
            }
            let request = request
                .body(())
                .map_err(|error| self.failed(object, error))?;
            let response = self
                .agent
                .run(request)
                .map_err(|error| self.failed(object, error))?;
            let status = response.status();
            if !status.is_redirection() {
                return match status {
                    StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Some(response)),
                    StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                    // A range beyond the end of what is there.
                    StatusCode::RANGE_NOT_SATISFIABLE => Ok(None),
                    status
                        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS =>
                    {
                        Err(self.failed(object, format!("the server answered `{status}`")))
                    }
                    status => Err(self.refused(
                        object,
                        &format!("is refused: the server answered `{status}`"),
                    )),
                };
            }
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            at = location
                .and_then(|location| self.followed(&at, location))
                .ok_or_else(|| {
                    self.refused(
                        object,
                        "is redirected to another server, which is not followed",
                    )
                })?;
        }
        Err(self.refused(object, "is redirected again and again"))
    }

    /// Returns the address that a redirect from `at` leads to; `None` if it leads to another server or another protocol.
    fn followed(&self, at: &str, location: &str) -> Option<String> {
        let location = location.split('#').next().unwrap_or_default();
        let (scheme, place) = (self.base.scheme_str()?, self.base.authority()?);
        let server = format!("{scheme}://{place}");
        if location.starts_with("//") || location.contains("://") {
            return location
                .strip_prefix(&server)
                .filter(|rest| rest.starts_with('/'))
                .map(|rest| format!("{server}{rest}"));
        }
        if location.starts_with('/') {
            return Some(format!("{server}{location}"));
        }
        let is_relative = !location.is_empty() && !location.contains(':');
        let folder = at.rfind('/').map(|slash| &at[..=slash])?;
        is_relative.then(|| format!("{folder}{location}"))
    }

    fn failed(&self, object: &str, error: impl Into<BoxError>) -> Error {
        let text = format!("{object} cannot be read from {}", self.url());
        Error::new(ErrorKind::Io, text)
            .because(error)
            .with_help("check the address of the remote, and that its server is up")
    }

    fn refused(&self, object: &str, why: &str) -> Error {
        Error::new(
            ErrorKind::Remote,
            format!("{object} of the remote {} {why}", self.url()),
        )
    }

    fn read_only(&self) -> Error {
        let text = format!("the remote {} can only be read", self.url());
        Error::new(ErrorKind::Remote, text)
            .with_help("push to the folder that the server serves, or to an object store")
    }
}

/// Returns the first byte of the range that a response brings.
fn range_start(response: &Response<ureq::Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

impl Backend for HttpBackend {
    fn url(&self) -> String {
        self.base.to_string().trim_end_matches('/').to_owned()
    }

    fn list(&self, _: &str) -> Result<Option<Vec<Object>>> {
        Ok(None)
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let Some(response) = self.ask(&Method::GET, object, range.as_ref())? else {
            return Ok(None);
        };
        let begins = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(&response),
            _ => Some(0),
        };
        let mut reader = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        let Some(range) = range else {
            return Ok(Some(Box::new(reader)));
        };
        // A server that knows no ranges sends everything.
        let Some(before) = begins.and_then(|begins| range.start.checked_sub(begins)) else {
            return Err(self.refused(object, "came with another range than was asked for"));
        };
        io::copy(&mut (&mut reader).take(before), &mut io::sink())
            .map_err(|error| self.failed(object, error))?;
        Ok(Some(Box::new(
            reader.take(range.end.saturating_sub(range.start)),
        )))
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        let Some(response) = self.ask(&Method::HEAD, object, None)? else {
            return Ok(None);
        };
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
        length
            .map(Some)
            .ok_or_else(|| self.refused(object, "has no length: the server does not tell it"))
    }

    fn put(&self, _: &str, _: &[u8]) -> Result<()> {
        Err(self.read_only())
    }

    fn put_file(&self, _: &str, _: &Path) -> Result<()> {
        Err(self.read_only())
    }

    fn delete(&self, _: &str) -> Result<()> {
        Err(self.read_only())
    }

    fn time(&self) -> Result<Timestamp> {
        Err(self.read_only())
    }
}
