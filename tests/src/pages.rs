//! The pages of a store, served by a program, and a client that sends exactly what a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that serves pages, killed on drop.
pub struct Served {
    child: Child,
    /// The address that it printed.
    pub url: String,
    /// The host and the port of that address.
    pub host: String,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, as it was sent.
    pub head: String,
    /// The body, as text.
    pub body: String,
}

impl Answer {
    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

impl Served {
    /// Starts a program with its arguments, of which the first is `serve`.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("a program that serves");
        let mut url = String::new();
        let said = child.stdout.as_mut().expect("its output");
        BufReader::new(said)
            .read_line(&mut url)
            .expect("its address");
        let url = url.trim().to_owned();
        let host = url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default();
        Served {
            host: host.to_owned(),
            child,
            url,
        }
    }

    /// Opens a connection.
    #[must_use]
    pub fn connect(&self) -> TcpStream {
        let port = self.host.rsplit(':').next().expect("a port");
        let connection = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a connection");
        // A server that says nothing fails the test.
        connection
            .set_read_timeout(Some(PATIENCE))
            .expect("a limit");
        connection
    }

    /// Sends a request with these lines after the first one, and returns the response.
    #[must_use]
    pub fn send(&self, first: &str, lines: &[&str]) -> Answer {
        let mut connection = self.connect();
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("{first} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes).expect("a response");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Answer {
            status: status.expect("a status"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Asks for a page.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[&format!("Host: {}", self.host)])
    }

    /// Returns a page that has to be there.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
