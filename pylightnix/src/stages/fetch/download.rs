//! Fetching a file, from whoever has it, with as few bytes as possible.

use std::io::{Read, Write as _};
use std::thread;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::{HeaderMap, Request, Response, StatusCode, Uri, header};

use super::Fetched;
use super::address::{checked, resolved};
use super::answer::Fault;
use super::forward;
use super::pace::{Pace, is_enough};
use super::partial::{Origin, Partial};
use super::secrets::Secrets;
use crate::lens::Build;
use crate::{Error, ErrorKind, Result};

/// Who asks.
const USER_AGENT: &str = concat!("pylightnix/", env!("CARGO_PKG_VERSION"));

/// How the file may be sent: as it is.
const ENCODING: &str = "identity";

/// What a server sends.
type Stream = Box<dyn Read>;

/// How often a server may send this elsewhere.
const REDIRECTS: usize = 10;

/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The longest time between two tries, in seconds.
const LONGEST_WAIT: f64 = 60.0;

/// A download under way.
pub(super) struct Download<'a> {
    b: &'a Build<Fetched>,
    agent: Agent,
    partial: Partial,
    sources: Vec<Source>,
    secrets: Secrets,
    begun: Instant,
}

/// An address, and what came of it.
struct Source {
    uri: Uri,
    /// Why the last try failed.
    fault: Option<String>,
    /// It will not do better.
    given_up: bool,
}

impl<'a> Download<'a> {
    pub(super) fn new(b: &'a Build<Fetched>) -> Result<Self> {
        let sources = b.mirrors.iter().chain([&b.url]);
        let sources = sources.map(|url| {
            Ok(Source {
                uri: checked(url)?,
                fault: None,
                given_up: false,
            })
        });
        let patience = Some(seconds(b.patience));
        let agent = Agent::config_builder()
            // A status is an answer: what it means is decided here.
            .http_status_as_error(false)
            // Followed here, as nobody else may get what is meant for one server.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .user_agent(USER_AGENT)
            // The sha256 is that of the file as it is.
            .accept_encoding(ENCODING)
            .build()
            .into();
        Ok(Download {
            sources: sources.collect::<Result<_>>()?,
            agent,
            partial: Partial::open(b.cache(), b.dref())?,
            secrets: Secrets::of(&checked(&b.url)?, &b.headers)?,
            begun: Instant::now(),
            b,
        })
    }

    pub(super) fn run(mut self) -> Result<()> {
        let b = self.b;
        if self.partial.length() > 0 {
            self.say(&format!(
                "{} bytes are there already",
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
        self.partial.finish(b.out.path())
    }

    /// Tries each address once, until one gives the file; says how long the servers want to be left alone.
    fn round(&mut self) -> Result<Option<Duration>> {
        let mut left_alone = None;
        for at in 0..self.sources.len() {
            if self.sources[at].given_up {
                continue;
            }
            let uri = self.sources[at].uri.clone();
            match self.try_from(&uri) {
                Ok(()) => {
                    self.say(&format!("{} bytes from {uri}", self.partial.length()));
                    return Ok(None);
                }
                Err(Fault::Here(error)) => return Err(error),
                Err(Fault::There { why, again, after }) => {
                    self.say(&format!("{uri} {why}"));
                    let source = &mut self.sources[at];
                    source.fault = Some(why);
                    source.given_up = !again;
                    left_alone = left_alone.max(after);
                }
            }
        }
        Ok(left_alone)
    }

    /// Fetches what is missing, and checks the whole.
    fn try_from(&mut self, uri: &Uri) -> Result<(), Fault> {
        let resumed = self.partial.length();
        match self.receive(uri, resumed) {
            // Parts of different files: once more, as one.
            Err(Fault::There { .. }) if resumed > 0 && self.partial.length() == 0 => {
                self.receive(uri, 0)
            }
            received => received,
        }
    }

    /// Asks for the file from byte `from` on, and appends what comes. Bytes that are of no use are gone after it.
    fn receive(&mut self, uri: &Uri, from: u64) -> Result<(), Fault> {
        let b = self.b;
        self.go_on()?;
        let response = self.ask(uri, from)?;
        let from = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if begins_at(response.headers()) == Some(from) => from,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                self.partial.clear()?;
                return Err(Fault::passing("does not have the rest of what it began"));
            }
            other => return Err(Fault::status(other, response.headers())),
        };
        if from < self.partial.length() {
            self.partial.clear()?;
        }
        self.partial.set_origin(&Origin {
            url: uri.to_string(),
            version: version(response.headers()),
        });
        let length = stated(response.headers()).map(|rest| from.saturating_add(rest));
        if length.is_some_and(|length| length > b.limit) {
            return Err(self.too_long());
        }
        let whole = self.read(response, length);
        if self.partial.digest() == b.sha256 {
            // What the server said of the length is its own affair.
            return Ok(());
        }
        whole?;
        let (found, bytes) = (self.partial.digest(), self.partial.length());
        self.partial.clear()?;
        let why = format!(
            "sent {bytes} bytes with the sha256 {found}, and wanted is {}",
            b.sha256
        );
        match length {
            Some(_) => Err(Fault::lasting(why)),
            None => Err(Fault::passing(format!(
                "{why} (it did not say how many there are: it may have broken off)"
            ))),
        }
    }

    /// Asks, also whom the server sends this to.
    fn ask(&self, uri: &Uri, from: u64) -> Result<Response<Stream>, Fault> {
        let mut at = uri.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.ask_one(&at, uri, from);
            let response = answer.map_err(|refusal| Fault::request(refusal, self.b.patience))?;
            let Some(location) = location(&response) else {
                return Ok(response);
            };
            // Where that is may be as secret as a password.
            at = resolved(&at, location).ok_or_else(|| {
                Fault::lasting("sent this to something that is no address, or has a password in it")
            })?;
        }
        Err(Fault::request(
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
            // What the environment names for other addresses is not for these.
            proxy if is_plain => {
                let request = self.agent.configure_request(request.body(())?);
                self.agent.run(request.proxy(proxy).build())?
            }
            _ => self.agent.run(request.body(())?)?,
        };
        Ok(response.map(|body| Box::new(body.into_reader()) as Stream))
    }

    /// Appends a body to the end.
    fn read(&mut self, response: Response<Stream>, length: Option<u64>) -> Result<(), Fault> {
        let b = self.b;
        let mut body = response.into_body();
        let mut buffer = vec![0; 128 << 10];
        let mut pace = Pace::new(b.pace, seconds(b.patience));
        loop {
            self.go_on()?;
            match body.read(&mut buffer) {
                Ok(0) => match length {
                    Some(length) if self.partial.length() < length => {
                        return Err(Fault::passing(format!(
                            "broke off after {} of {length} bytes",
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
                        return Err(Fault::lasting(format!(
                            "sent more than the {length} bytes that it said there are"
                        )));
                    }
                    if self.partial.length() > b.limit {
                        return Err(self.too_long());
                    }
                    if let Some((bytes, took)) = pace.is_too_slow(read) {
                        return Err(Fault::passing(format!(
                            "sent no more than {bytes} bytes in {:.1} s, and wanted are {} a second (`Fetched::pace`)",
                            took.as_secs_f64(),
                            b.pace
                        )));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(match Fault::request(error.into(), b.patience) {
                        Fault::There { why, after, .. } => Fault::There {
                            why: match length {
                                Some(length) => {
                                    format!(
                                        "{why} after {} of {length} bytes",
                                        self.partial.length()
                                    )
                                }
                                None => format!("{why} after {} bytes", self.partial.length()),
                            },
                            again: true,
                            after,
                        },
                        here => here,
                    });
                }
            }
        }
    }

    /// Whether there is time left, and nobody wants it to stop.
    fn go_on(&self) -> Result<()> {
        self.b.check()?;
        if self.begun.elapsed() < seconds(self.b.within) {
            return Ok(());
        }
        let text = format!(
            "cannot fetch {} within {} s (`Fetched::within`)",
            self.b.url, self.b.within
        );
        Err(
            Error::new(ErrorKind::Stage, text).help(match self.partial.length() {
                0 => "see whether the server is up, or give it more time".to_owned(),
                bytes => format!("run again: it goes on from the {bytes} bytes that have arrived"),
            }),
        )
    }

    /// Waits, and looks now and then whether it is to end.
    fn pause(&self, wait: Duration) -> Result<()> {
        let since = Instant::now();
        loop {
            self.go_on()?;
            match wait.checked_sub(since.elapsed()) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(LOOK)),
                _ => return Ok(()),
            }
        }
    }

    fn too_long(&mut self) -> Fault {
        match self.partial.clear() {
            Ok(()) => Fault::lasting(format!(
                "has more than {} bytes, which is the limit (`Fetched::limit`)",
                self.b.limit
            )),
            Err(error) => error.into(),
        }
    }

    fn failed(&self) -> Error {
        let mut text = format!("cannot fetch {}", self.b.url);
        let mut wrong = false;
        for source in &self.sources {
            let why = source.fault.as_deref().unwrap_or("was not asked");
            text += &format!("\n{} {why}", source.uri);
            wrong |= why.contains("sha256");
        }
        let error = Error::new(ErrorKind::Stage, text);
        if wrong {
            return error.help(
                "if the file was changed on purpose, put its new sha256 into the plan; else do not trust what is there",
            );
        }
        match self.partial.length() {
            0 => error.help("see whether the address is right and the server up, or add `mirrors`"),
            bytes => error.help(format!(
                "run again: it goes on from the {bytes} bytes that have arrived"
            )),
        }
    }

    /// Writes a line to the log. The log is no reason to fail.
    fn say(&self, line: &str) {
        let _ = writeln!(self.b.log(), "{line}");
    }
}

/// A time that a config says; nonsense is no time.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(1e9)).unwrap_or_default()
}

/// Where an answer sends this.
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

/// How many bytes a server says that it sends.
fn stated(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.trim().parse().ok()
}

/// Where the bytes of a partial answer begin: `Content-Range: bytes 100-199/200`.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

/// What tells this version of the file from others, byte by byte (RFC 9110, 13.1.5: a weak tag will not do).
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    text(header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(header::LAST_MODIFIED))
}
