//! An HTTP server on this machine whose answers, valid or not, a test determines.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path, from `/` on.
    pub path: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the first requested byte, if the request has a range.
    #[must_use]
    pub fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server. `answer` writes the response to each connection, and receives the number of earlier requests. Then
    /// the connection is closed.
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
                    // A client that disconnects is not an error of the server.
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

    /// Starts a server with one file, which supports range requests.
    #[must_use]
    pub fn of(body: &'static [u8]) -> Self {
        Server::new(move |_, request, to| match request.from() {
            None => whole(to, body),
            Some(from) => rest(to, body, from),
        })
    }

    /// Returns a URL on the server; `path` begins with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns all requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("no test panicked in it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread waits for a connection before it checks the flag.
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

/// Writes a status line and headers, given without line ends.
///
/// # Errors
/// Fails if the client disconnected.
pub fn head(to: &mut TcpStream, lines: &[&str]) -> io::Result<()> {
    let mut text = String::from("HTTP/1.1 ");
    for line in lines {
        text += line;
        text += "\r\n";
    }
    text += "Connection: close\r\n\r\n";
    to.write_all(text.as_bytes())
}

/// Writes a response with a whole file.
///
/// # Errors
/// Fails if the client disconnected.
pub fn whole(to: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let length = format!("Content-Length: {}", body.len());
    head(to, &["200 OK", &length, "ETag: \"one\""])?;
    to.write_all(body)
}

/// Writes a response with the bytes of a file from `from` on.
///
/// # Errors
/// Fails if the client disconnected.
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
