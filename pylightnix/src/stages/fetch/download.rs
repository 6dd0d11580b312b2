//! Downloads a file from its URL or a mirror, and resumes partial downloads.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::{HeaderMap, Request, Response, StatusCode, Uri, header};

use super::Fetched;
use super::address::{Place, resolved};
use super::answer::AttemptError;
use super::forward;
use super::pace::{Pace, is_enough};
use super::partial::{Origin, Partial};
use super::secrets::Secrets;
use crate::lens::Build;
use crate::store::regular;
use crate::units::text;
use crate::{Error, ErrorKind, Result};

/// The value of the header `User-Agent`.
const USER_AGENT: &str = concat!("pylightnix/", env!("CARGO_PKG_VERSION"));

/// The value of `Accept-Encoding`: the digest is that of the uncompressed file.
const ENCODING: &str = "identity";

/// The body of a response.
type Stream = Box<dyn Read>;

/// The maximal number of redirects.
const REDIRECTS: usize = 10;

/// The interval at which a wait checks whether the stage has to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The longest wait between two attempts, in seconds.
const LONGEST_WAIT: f64 = 60.0;

/// A download in progress.
pub(super) struct Download<'a> {
    b: &'a Build<Fetched>,
    agent: Agent,
    partial: Partial,
    sources: Vec<Source>,
    secrets: Secrets,
    begun: Instant,
}

/// A URL of the file, with the state of its attempts.
struct Source {
    place: Place,
    /// The fault of the last attempt.
    fault: Option<String>,
    /// Whether the fault is permanent.
    given_up: bool,
}

impl<'a> Download<'a> {
    pub(super) fn new(b: &'a Build<Fetched>) -> Result<Self> {
        let sources = b.mirrors.iter().chain([&b.url]);
        let sources = sources.map(|url| {
            Ok(Source {
                place: Place::of(url)?,
                fault: None,
                given_up: false,
            })
        });
        let patience = Some(seconds(b.patience));
        let agent = Agent::config_builder()
            // Handle unsuccessful statuses here, not as errors of the client.
            .http_status_as_error(false)
            // Follow redirects here, so that secrets are not sent to other servers.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .user_agent(USER_AGENT)
            // The digest is that of the uncompressed file.
            .accept_encoding(ENCODING)
            .build()
            .into();
        Ok(Download {
            sources: sources.collect::<Result<_>>()?,
            agent,
            partial: Partial::open(b.cache(), b.dref())?,
            secrets: match Place::of(&b.url)?.web() {
                Some(url) => Secrets::of(url, &b.headers)?,
                // No server is that of the address: the headers are sent nowhere.
                None => Secrets::of(&Uri::default(), &BTreeMap::new())?,
            },
            begun: Instant::now(),
            b,
        })
    }

    pub(super) fn run(mut self) -> Result<()> {
        let b = self.b;
        if self.partial.length() > 0 {
            self.log_line(&format!(
                "{} bytes were downloaded before",
                self.partial.length()
            ));
        }
        let mut tries = 0;
        let mut furthest = self.partial.length();
        while self.partial.digest() != b.sha256 {
            let since = Instant::now();
            let after = self.round()?;
            if self.partial.digest() == b.sha256 {
                break;
            }
            let brought = self.partial.length().saturating_sub(furthest);
            if brought > 0 && is_enough(brought, since.elapsed(), b.pace) {
                tries = 0;
            }
            furthest = furthest.max(self.partial.length());
            tries += 1;
            if tries >= b.tries || self.sources.iter().all(|source| source.given_up) {
                let error = self.failed();
                if self.partial.length() == 0 {
                    self.partial.discard();
                }
                return Err(error);
            }
            let wait = b.wait * 2_f64.powi(i32::try_from(tries - 1).unwrap_or(i32::MAX));
            let wait = seconds(wait).max(after.unwrap_or_default());
            self.pause(wait.min(seconds(LONGEST_WAIT)))?;
        }
        match &b.file_name {
            None => self.partial.finish(b.out.path()),
            Some(name) => {
                let folder = b.out.path();
                fs::create_dir(folder)
                    .map_err(|error| Error::io("create the folder", folder, error))?;
                self.partial.finish(&folder.join(name))
            }
        }
    }

    /// Copies a file of this machine, and checks the digest.
    fn copy_from(&mut self, path: &Path) -> Result<(), AttemptError> {
        let b = self.b;
        let refused =
            |error: std::io::Error| AttemptError::permanent(format!("cannot be read: {error}"));
        let (mut file, length) = regular::open_regular(path).map_err(refused)?;
        if length > b.limit {
            return Err(self.too_long());
        }
        // Only now: what came of a download before is of use to the addresses after a file that is not there.
        self.partial.clear()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            self.check_time()?;
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    self.partial.append(&buffer[..read])?;
                    b.progress(self.partial.length(), Some(length));
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refused(error)),
            }
            if self.partial.length() > b.limit {
                return Err(self.too_long());
            }
        }
        let (found, bytes) = (self.partial.digest(), self.partial.length());
        if found == b.sha256 {
            return Ok(());
        }
        self.partial.clear()?;
        Err(AttemptError::permanent(format!(
            "has {bytes} bytes with the SHA-256 digest {found}, but expected is {}",
            b.sha256
        )))
    }

    /// Tries each URL once, until one gives the file. Returns the longest `Retry-After` of the servers.
    fn round(&mut self) -> Result<Option<Duration>> {
        let mut retry_after = None;
        for at in 0..self.sources.len() {
            if self.sources[at].given_up {
                continue;
            }
            let place = self.sources[at].place.clone();
            let tried = match &place {
                Place::Web(uri) => self.try_from(uri),
                Place::Local(path) => self.copy_from(path),
            };
            match tried {
                Ok(()) => {
                    self.log_line(&format!("{} bytes from {place}", self.partial.length()));
                    return Ok(None);
                }
                Err(AttemptError::Here(error)) => return Err(error),
                Err(AttemptError::There {
                    problem,
                    retry,
                    after,
                }) => {
                    self.log_line(&format!("{place} {problem}"));
                    let source = &mut self.sources[at];
                    source.fault = Some(problem);
                    source.given_up = !retry;
                    retry_after = retry_after.max(after);
                }
            }
        }
        Ok(retry_after)
    }

    /// Downloads the missing part from one URL, and checks the digest.
    fn try_from(&mut self, uri: &Uri) -> Result<(), AttemptError> {
        let resumed = self.partial.length();
        match self.receive(uri, resumed) {
            // The server has another version of the file: download all of it.
            Err(AttemptError::There { .. }) if resumed > 0 && self.partial.length() == 0 => {
                self.receive(uri, 0)
            }
            received => received,
        }
    }

    /// Requests the file from byte `from` on and appends the response. Removes bytes that turn out to be wrong.
    fn receive(&mut self, uri: &Uri, from: u64) -> Result<(), AttemptError> {
        let b = self.b;
        self.check_time()?;
        let response = self.ask(uri, from)?;
        let from = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(response.headers()) == Some(from) => from,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                self.partial.clear()?;
                return Err(AttemptError::temporary(
                    "cannot send the rest of the partial download",
                ));
            }
            other => return Err(AttemptError::status(other, response.headers())),
        };
        if from < self.partial.length() {
            self.partial.clear()?;
        }
        self.partial.set_origin(&Origin {
            url: uri.to_string(),
            version: version(response.headers()),
        });
        let length = content_length(response.headers()).map(|rest| from.saturating_add(rest));
        if length.is_some_and(|length| length > b.limit) {
            return Err(self.too_long());
        }
        let whole = self.read(response, length);
        if self.partial.digest() == b.sha256 {
            // The digest is right: a wrong `Content-Length` does not matter.
            return Ok(());
        }
        whole?;
        let (found, bytes) = (self.partial.digest(), self.partial.length());
        self.partial.clear()?;
        let problem = format!(
            "sent {bytes} bytes with the SHA-256 digest {found}, but expected is {}",
            b.sha256
        );
        match length {
            Some(_) => Err(AttemptError::permanent(problem)),
            None => Err(AttemptError::temporary(format!(
                "{problem} (without a length: the connection may have been cut)"
            ))),
        }
    }

    /// Sends a request and follows redirects.
    fn ask(&self, uri: &Uri, from: u64) -> Result<Response<Stream>, AttemptError> {
        let mut at = uri.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.ask_one(&at, uri, from);
            let response =
                answer.map_err(|refusal| AttemptError::request(refusal, self.b.patience))?;
            let Some(location) = location(&response) else {
                return Ok(response);
            };
            // Do not show the location: it may contain secrets.
            at = resolved(&at, location).ok_or_else(|| {
                AttemptError::permanent("redirected to an invalid URL, or to one with a password")
            })?;
        }
        Err(AttemptError::request(
            ureq::Error::TooManyRedirects,
            self.b.patience,
        ))
    }

    fn ask_one(&self, at: &Uri, uri: &Uri, from: u64) -> Result<Response<Stream>, ureq::Error> {
        let mut request = Request::get(at);
        for (name, value) in self.secrets.for_request(at, uri) {
            request = request.header(name, value);
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            let origin = self.partial.origin();
            let same = origin.filter(|origin| *uri == *origin.url);
            if let Some(version) = same.and_then(|origin| origin.version) {
                request = request.header(header::IF_RANGE, version);
            }
        }
        let is_plain = at.scheme_str() == Some("http");
        let proxy = forward::proxy_for(at).filter(|_| is_plain);
        let response = match proxy {
            Some(proxy) if forward::forwards(&proxy) => {
                let request = request
                    .header(header::USER_AGENT, USER_AGENT)
                    .header(header::ACCEPT, "*/*")
                    .header(header::ACCEPT_ENCODING, ENCODING)
                    .header(header::CONNECTION, "close")
                    .body(())?;
                return forward::ask(&proxy, request, seconds(self.b.patience));
            }
            // Do not use the proxy that the environment sets for other protocols.
            proxy if is_plain => {
                let request = self.agent.configure_request(request.body(())?);
                self.agent.run(request.proxy(proxy).build())?
            }
            _ => self.agent.run(request.body(())?)?,
        };
        Ok(response.map(|body| Box::new(body.into_reader()) as Stream))
    }

    /// Reads a body and appends it to the partial download.
    fn read(
        &mut self,
        response: Response<Stream>,
        length: Option<u64>,
    ) -> Result<(), AttemptError> {
        let b = self.b;
        let mut body = response.into_body();
        let mut buffer = vec![0; 128 << 10];
        let mut pace = Pace::new(b.pace, seconds(b.patience));
        loop {
            self.check_time()?;
            match body.read(&mut buffer) {
                Ok(0) => match length {
                    Some(length) if self.partial.length() < length => {
                        return Err(AttemptError::temporary(format!(
                            "closed the connection after {} of {length} bytes",
                            self.partial.length()
                        )));
                    }
                    _ => return Ok(()),
                },
                Ok(read) => {
                    self.partial.append(&buffer[..read])?;
                    b.progress(self.partial.length(), length);
                    if let Some(length) = length.filter(|length| self.partial.length() > *length) {
                        self.partial.clear()?;
                        return Err(AttemptError::permanent(format!(
                            "sent more than the {length} bytes of its `Content-Length`"
                        )));
                    }
                    if self.partial.length() > b.limit {
                        return Err(self.too_long());
                    }
                    if let Some((bytes, took)) = pace.is_too_slow(read) {
                        return Err(AttemptError::temporary(format!(
                            "sent only {bytes} bytes in {}; the minimum is {} per second (`Fetched::pace`)",
                            text::duration(took),
                            b.pace
                        )));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(match AttemptError::request(error.into(), b.patience) {
                        AttemptError::There { problem, after, .. } => AttemptError::There {
                            problem: match length {
                                Some(length) => {
                                    format!(
                                        "{problem} after {} of {length} bytes",
                                        self.partial.length()
                                    )
                                }
                                None => format!("{problem} after {} bytes", self.partial.length()),
                            },
                            retry: true,
                            after,
                        },
                        here => here,
                    });
                }
            }
        }
    }

    /// Fails if the stage has to stop or the time of the download is up.
    fn check_time(&self) -> Result<()> {
        self.b.check()?;
        if self.begun.elapsed() < seconds(self.b.within) {
            return Ok(());
        }
        let text = format!(
            "cannot fetch {} within {} (`Fetched::within`)",
            self.b.url,
            text::seconds(self.b.within)
        );
        Err(
            Error::new(ErrorKind::Stage, text).with_help(match self.partial.length() {
                0 => "check that the server is available, or set a higher limit".to_owned(),
                bytes => format!("run again to resume after {bytes} bytes"),
            }),
        )
    }

    /// Waits, and fails if the stage has to stop meanwhile.
    fn pause(&self, wait: Duration) -> Result<()> {
        let since = Instant::now();
        loop {
            self.check_time()?;
            match wait.checked_sub(since.elapsed()) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(LOOK)),
                _ => return Ok(()),
            }
        }
    }

    fn too_long(&mut self) -> AttemptError {
        match self.partial.clear() {
            Ok(()) => AttemptError::permanent(format!(
                "has more bytes than the limit of {} (`Fetched::limit`)",
                text::exact_size(self.b.limit)
            )),
            Err(error) => error.into(),
        }
    }

    fn failed(&self) -> Error {
        let mut text = format!("cannot fetch {}", self.b.url);
        let mut wrong = false;
        for source in &self.sources {
            let problem = source.fault.as_deref().unwrap_or("was not tried");
            text += &format!("\n{} {problem}", source.place);
            wrong |= problem.contains("SHA-256");
        }
        let error = Error::new(ErrorKind::Stage, text);
        if wrong {
            return error.with_help(
                "if the file was changed on purpose, put its new SHA-256 digest into the plan; otherwise do not trust the file",
            );
        }
        match self.partial.length() {
            0 => {
                error.with_help("check the URL and that the server is available, or add `mirrors`")
            }
            bytes => error.with_help(format!("run again to resume after {bytes} bytes")),
        }
    }

    /// Writes a line to the log. Ignores errors.
    fn log_line(&self, line: &str) {
        let _ = writeln!(self.b.log(), "{line}");
    }
}

/// Converts seconds to a duration. Negative numbers and NaN are 0.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(1e9)).unwrap_or_default()
}

/// Returns the location of a redirect; `None` for other responses.
fn location(response: &Response<Stream>) -> Option<&str> {
    let is_sent = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION).filter(|_| is_sent);
    location?.to_str().ok()
}

/// Returns the `Content-Length`.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.trim().parse().ok()
}

/// Returns the first byte of a partial response: 100 for `Content-Range: bytes 100-199/200`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

/// Returns a validator for `If-Range`: a strong `ETag` (RFC 9110, 13.1.5), or `Last-Modified`.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    text(header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(header::LAST_MODIFIED))
}
