//! Messages on a socket between a run and a worker: JSON in one line each.

#[cfg(not(target_os = "linux"))]
use std::io::Read as _;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The receiving side of a socket.
pub(super) struct Receiver {
    socket: UnixStream,
    /// What came of a message that is not whole.
    begun: Vec<u8>,
    /// The descriptor that came with a message.
    pub(super) descriptor: Option<OwnedFd>,
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

/// Sends a message with a descriptor.
pub(super) fn send_with(
    mut socket: &UnixStream,
    message: &impl Serialize,
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    let descriptors = [descriptor];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(
        socket,
        &[IoSlice::new(&line)],
        &mut ancillary,
        SendFlags::empty(),
    )?;
    socket.write_all(&line[sent..])
}

impl Receiver {
    pub(super) fn new(socket: UnixStream) -> Self {
        Receiver {
            socket,
            begun: Vec::new(),
            descriptor: None,
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
            match self.read(&mut bytes) {
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

    /// Reads what there is, and keeps the descriptor that came with it.
    #[cfg(target_os = "linux")]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut room);
        let received = recvmsg(
            &self.socket,
            &mut [io::IoSliceMut::new(bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptor = descriptors.last();
            }
        }
        Ok(received.bytes)
    }

    #[cfg(not(target_os = "linux"))]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.read(bytes)
    }
}
