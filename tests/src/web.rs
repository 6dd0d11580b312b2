//! A server on this machine that does what a test says, right or wrong.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path, from `/` on.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that is wanted, if not all are.
    #[must_use]
    pub fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// A server, until it is dropped.
pub struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Lets `answer` write to each connection. It is told how many requests there were before. The connection is closed
    /// after it.
    #[must_use]
    pub fn new<F>(answer: F) -> Self
    where
        F: Fn(usize, &Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let (all, stopped) = (asked.clone(), stop.clone());
        thread::spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut connection) = connection else {
                    continue;
                };
                let (all, answer) = (all.clone(), answer.clone());
                thread::spawn(move || {
                    let Ok(request) = read(&connection) else {
                        let _ = head(&mut connection, &["400 Bad Request", "Content-Length: 0"]);
                        return;
                    };
                    let before = {
                        let mut all = all.lock().expect("no test panicked in it");
                        all.push(request.clone());
                        all.len() - 1
                    };
                    // A client that goes away is no fault of the server's.
                    let _ = answer(before, &request, &mut connection);
                });
            }
        });
        Server {
            address,
            asked,
            stop,
        }
    }

    /// A server that has one file, and can give the rest of it.
    #[must_use]
    pub fn of(body: &'static [u8]) -> Self {
        Server::new(move |_, request, to| match request.from() {
            None => whole(to, body),
            Some(from) => rest(to, body, from),
        })
    }

    /// An address on it; `path` begins with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("no test panicked in it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It waits for a connection before it looks.
        let _ = TcpStream::connect(&self.address);
    }
}

fn read(connection: &TcpStream) -> io::Result<Request> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    Ok(Request { path, headers })
}

/// Answers with a status line and headers, each without its line's end.
///
/// # Errors
/// The client went away.
pub fn head(to: &mut TcpStream, lines: &[&str]) -> io::Result<()> {
    let mut text = String::from("HTTP/1.1 ");
    for line in lines {
        text += line;
        text += "\r\n";
    }
    text += "Connection: close\r\n\r\n";
    to.write_all(text.as_bytes())
}

/// Answers with a whole file.
///
/// # Errors
/// The client went away.
pub fn whole(to: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let length = format!("Content-Length: {}", body.len());
    head(to, &["200 OK", &length, "ETag: \"one\""])?;
    to.write_all(body)
}

/// Answers with the bytes of a file from `from` on.
///
/// # Errors
/// The client went away.
pub fn rest(to: &mut TcpStream, body: &[u8], from: usize) -> io::Result<()> {
    let Some(rest) = body.get(from..).filter(|rest| !rest.is_empty()) else {
        let range = format!("Content-Range: bytes */{}", body.len());
        return head(
            to,
            &["416 Range Not Satisfiable", &range, "Content-Length: 0"],
        );
    };
    let range = format!(
        "Content-Range: bytes {from}-{}/{}",
        body.len() - 1,
        body.len()
    );
    let length = format!("Content-Length: {}", rest.len());
    head(
        to,
        &["206 Partial Content", &range, &length, "ETag: \"one\""],
    )?;
    to.write_all(rest)
}
