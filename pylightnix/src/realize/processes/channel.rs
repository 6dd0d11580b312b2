//! Messages on a socket between a run and a worker: JSON in one line each.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The receiving side of a socket.
pub(super) struct Receiver {
    socket: UnixStream,
    /// What came of a message that is not whole.
    begun: Vec<u8>,
}

/// What there was to receive.
pub(super) enum Received<T> {
    Message(T),
    /// Nothing within the time.
    Nothing,
    /// The other side is gone.
    End,
}

/// Sends a message, in one write if the other side reads.
pub(super) fn send(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

impl Receiver {
    pub(super) fn new(socket: UnixStream) -> Self {
        Receiver {
            socket,
            begun: Vec::new(),
        }
    }

    /// Waits for a message, at most this long.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        within: Option<Duration>,
    ) -> io::Result<Received<T>> {
        self.socket.set_read_timeout(within)?;
        let mut searched = 0;
        loop {
            if let Some(at) = self.begun[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let rest = self.begun.split_off(searched + at + 1);
                let line = std::mem::replace(&mut self.begun, rest);
                return Ok(Received::Message(serde_json::from_slice(&line)?));
            }
            searched = self.begun.len();
            let mut bytes = [0; 8192];
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => self.begun.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Ok(Received::Nothing);
                    }
                    io::ErrorKind::ConnectionReset => return Ok(Received::End),
                    _ => return Err(error),
                },
            }
        }
    }
}
