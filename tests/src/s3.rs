//! An S3 server on this machine, one for all tests of a program, and a proxy before it that counts and breaks requests.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::services::{brings, end, end_with_this_process};
use crate::store::folder;

/// A server with a bucket `test`, which ends with the process of the test.
pub struct S3 {
    folder: PathBuf,
}

static SERVER: OnceLock<Option<S3>> = OnceLock::new();

impl S3 {
    /// Returns the server that all tests share; `None` on a machine that cannot start one, unless `CI` is `true`, where that is a
    /// failure.
    ///
    /// # Panics
    /// It does not start.
    pub fn shared() -> Option<&'static S3> {
        SERVER.get_or_init(S3::start).as_ref()
    }

    /// Starts a server for one test.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let server = S3 {
            folder: folder().keep(),
        };
        let is_up = server.up();
        end_with_this_process("s3/down", &server.folder);
        is_up.then_some(server)
    }

    /// Starts the server, also again after [`kill`](Self::kill), with what it had. Returns whether this machine can.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn up(&self) -> bool {
        brings("s3/up", &[self.folder.as_os_str()])
    }

    /// Ends the server at once.
    ///
    /// # Panics
    /// The script does not run.
    pub fn kill(&self) {
        end("s3/down", &self.folder);
    }

    /// Returns the variables by which programs find the server, and may use it.
    ///
    /// # Panics
    /// The server never started.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.folder.join("env")).expect("a file with variables");
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Returns the address of the server, without a protocol.
    ///
    /// # Panics
    /// The server never started.
    #[must_use]
    pub fn address(&self) -> String {
        let port = fs::read_to_string(self.folder.join("port")).expect("a port");
        format!("127.0.0.1:{}", port.trim())
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done.
    None,
    /// The server is said to be overloaded.
    Fails,
    /// The answer ends after this number of bytes, its head included.
    CutsAnswer(u64),
    /// The connection ends before the whole request was read.
    CutsRequest,
    /// It is done, and then nothing is answered.
    Hides,
    /// After this number of bytes of its answer, its head included, nothing more comes, and the connection stays. With 0 it is not
    /// even done.
    Stalls(u64),
}

/// A request that a proxy saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method and the path, with the query: `PUT /test/a/b?partNumber=1`.
    pub what: String,
    /// The bytes of its body.
    pub sent: u64,
    /// The bytes of its answer that were passed on, the head included.
    pub answered: u64,
}

type Faults = dyn Fn(usize, &str) -> Fault + Send + Sync;

struct Shared {
    server: String,
    asked: Mutex<Vec<Asked>>,
    faults: Mutex<Arc<Faults>>,
    is_ended: AtomicBool,
}

/// A proxy before a server, until it is dropped.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy before the server with this address.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn new(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            server,
            asked: Mutex::default(),
            faults: Mutex::new(Arc::new(|_, _| Fault::None)),
            is_ended: AtomicBool::new(false),
        });
        let all = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                if all.is_ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(connection), shared) = (connection, all.clone()) else {
                    continue;
                };
                // A connection that breaks is what the tests are about.
                thread::spawn(move || shared.pass(&connection));
            }
        });
        Proxy { address, shared }
    }

    /// Breaks requests from now on, by their number and what is asked, as in [`Asked::what`].
    pub fn break_by(&self, faults: impl Fn(usize, &str) -> Fault + Send + Sync + 'static) {
        let mut known = self.shared.faults.lock();
        *known.as_deref_mut().expect("no test panicked in it") = Arc::new(faults);
    }

    /// Returns the requests since the last call.
    ///
    /// # Panics
    /// A thread of the proxy did.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().expect("no thread panicked"))
    }

    /// Returns the address, as the variable `AWS_ENDPOINT` has it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Relaxed);
        // The thread waits for a connection before it looks.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn note(&self, number: usize, change: impl FnOnce(&mut Asked)) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of before may have been taken.
        if let Some(asked) = asked.get_mut(number) {
            change(asked);
        }
    }

    /// Waits until the proxy ends.
    fn stall(&self) -> io::Result<()> {
        while !self.is_ended.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Passes one request on, and its answer back. Then the connections end.
    fn pass(&self, client: &TcpStream) -> io::Result<()> {
        let mut from = BufReader::new(client);
        let mut first = String::new();
        from.read_line(&mut first)?;
        let mut words = first.split(' ');
        let what = format!(
            "{} {}",
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default()
        );
        let (mut head, mut length) = (first.clone(), 0);
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if !lower.starts_with("connection:") {
                head += &line;
            }
        }
        head += "Connection: close\r\n\r\n";
        let number = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(Asked {
                what: what.clone(),
                sent: 0,
                answered: 0,
            });
            asked.len() - 1
        };
        let faults = self.faults.lock().map(|faults| faults.clone());
        let fault = faults.map_or(Fault::None, |faults| faults(number, &what));
        let mut to = client;
        if fault == Fault::CutsRequest {
            let cut = io::copy(&mut (&mut from).take(length / 2), &mut io::sink())?;
            self.note(number, |asked| asked.sent = cut);
            return client.shutdown(Shutdown::Both);
        }
        if fault == Fault::Stalls(0) {
            return self.stall();
        }
        if fault == Fault::Fails {
            io::copy(&mut (&mut from).take(length), &mut io::sink())?;
            let answer = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return to.write_all(answer.as_bytes());
        }
        let mut server = TcpStream::connect(&self.server)?;
        server.write_all(head.as_bytes())?;
        let sent = io::copy(&mut (&mut from).take(length), &mut server)?;
        self.note(number, |asked| asked.sent = sent);
        let most = match fault {
            Fault::CutsAnswer(most) | Fault::Stalls(most) => most,
            Fault::Hides => 0,
            _ => u64::MAX,
        };
        let answered = io::copy(&mut Read::take(&server, most), &mut to)?;
        self.note(number, |asked| asked.answered = answered);
        if matches!(fault, Fault::Stalls(_)) {
            self.stall()?;
        }
        client.shutdown(Shutdown::Both)
    }
}
