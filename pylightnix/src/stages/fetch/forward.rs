//! Requests for `http` URLs through a proxy, with the whole URL in the request line (RFC 9112, 3.2.2). The client library
//! only supports tunnels (CONNECT), which many proxies allow to TLS ports only.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::env;
use std::io::{self, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;
use ureq::http::{HeaderValue, Request, Response, Uri, header};
use ureq::{Error as Refusal, Proxy, ProxyProtocol, Timeout};
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

/// The maximal size of the head of a request or a response, in bytes.
const HEAD: usize = 256 << 10;
/// The size of a read, in bytes.
const BUFFER: usize = 64 << 10;

/// Returns the proxy that the environment sets for `http` URLs; `None` if `no_proxy` excludes this one.
pub(super) fn proxy_for(uri: &Uri) -> Option<Proxy> {
    let names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    let value = names.iter().find_map(|name| variable(name))?;
    let proxy = Proxy::new(&value).ok()?;
    let mut rules = Proxy::builder(ProxyProtocol::Http);
    let exceptions = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    for rule in exceptions.iter().flat_map(|rules| rules.split(',')) {
        rules = rules.no_proxy(rule.trim());
    }
    let is_excluded = rules.build().is_ok_and(|rules| rules.is_no_proxy(uri));
    (!is_excluded).then_some(proxy)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns whether the proxy forwards requests.
pub(super) fn forwards(proxy: &Proxy) -> bool {
    proxy.protocol() == ProxyProtocol::Http
}

/// Sends a request through a proxy, with the timeout `patience` for each step.
pub(super) fn ask(
    proxy: &Proxy,
    mut request: Request<()>,
    patience: Duration,
) -> Result<Response<Box<dyn Read>>, Refusal> {
    let line = format!("GET {} HTTP/1.1", request.uri());
    if let (Some(user), word) = (proxy.username(), proxy.password().unwrap_or_default()) {
        let word = BASE64_STANDARD.encode(format!("{user}:{word}"));
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {word}")) {
            value.set_sensitive(true);
            request
                .headers_mut()
                .insert(header::PROXY_AUTHORIZATION, value);
        }
    }
    let mut call = Call::new(request)?.proceed();
    let mut head = vec![0; HEAD];
    let length = call.write(&mut head)?;
    let head = &head[..length];
    let end = head
        .iter()
        .position(|byte| *byte == b'\r')
        .unwrap_or(length);
    let mut stream = connect(proxy, patience)?;
    stream.write_all(line.as_bytes())?;
    stream.write_all(&head[end..])?;
    match call.proceed()? {
        Some(SendRequestResult::RecvResponse(call)) => read_response(call, stream),
        _ => Err(Refusal::BadUri("the request is too long".to_owned())),
    }
}

fn connect(proxy: &Proxy, patience: Duration) -> Result<TcpStream, Refusal> {
    let patience = Some(patience).filter(|patience| !patience.is_zero());
    let mut refusal = None;
    let addresses = (proxy.host(), proxy.port()).to_socket_addrs();
    for address in addresses.into_iter().flatten() {
        let connected = match patience {
            Some(patience) => TcpStream::connect_timeout(&address, patience),
            None => TcpStream::connect(address),
        };
        match connected {
            Ok(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)?;
                return Ok(stream);
            }
            Err(error) => refusal = Some(error),
        }
    }
    let reason = refusal.map_or_else(
        || "its host name is unknown".to_owned(),
        |error| error.to_string(),
    );
    let (host, port) = (proxy.host(), proxy.port());
    let text = format!("the proxy {host}:{port} cannot be reached: {reason}");
    Err(io::Error::other(text).into())
}

/// Reads the head of a response.
fn read_response(
    mut call: Call<RecvResponse>,
    mut stream: TcpStream,
) -> Result<Response<Box<dyn Read>>, Refusal> {
    let mut input = Vec::new();
    let response = loop {
        let (used, response) = call.try_response(&input, false)?;
        input.drain(..used);
        if let Some(response) = response {
            break response;
        }
        if used > 0 {
            continue;
        }
        if input.len() > HEAD || read_more(&mut stream, &mut input)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    let body: Box<dyn Read> = match call.proceed() {
        Some(RecvResponseResult::RecvBody(call)) => Box::new(Body {
            call,
            stream,
            input,
        }),
        _ => Box::new(io::empty()),
    };
    Ok(response.map(|()| body))
}

/// Reads available bytes. Returns their number.
fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    let begin = input.len();
    input.resize(begin + BUFFER, 0);
    let read = loop {
        match stream.read(&mut input[begin..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    input.truncate(begin + *read.as_ref().unwrap_or(&0));
    read.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other(Refusal::Timeout(Timeout::RecvBody))
        }
        _ => error,
    })
}

/// A reader of the body of a response.
struct Body {
    call: Call<RecvBody>,
    stream: TcpStream,
    /// Bytes that were received and not decoded yet.
    input: Vec<u8>,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let (used, given) = self
                .call
                .read(&self.input, buffer)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.input.drain(..used);
            if given > 0 || buffer.is_empty() {
                return Ok(given);
            }
            if used > 0 {
                continue;
            }
            // A response without a length ends with the connection, so `can_proceed` is always true for it.
            let may_end = self.call.can_proceed();
            let is_open_ended =
                matches!(self.call.body_mode(), ureq_proto::BodyMode::CloseDelimited);
            if may_end && !is_open_ended {
                return Ok(0);
            }
            if read_more(&mut self.stream, &mut self.input)? == 0 {
                return match may_end {
                    true => Ok(0),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}
