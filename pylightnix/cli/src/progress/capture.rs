//! Captures standard output and standard error through a pipe, so that the display can show what this process prints.
//!
//! `println!`, C libraries, panic messages and child processes that inherit them write to the file descriptors 1 and 2. Both
//! are replaced by a pipe, and restored at the end.
//!
//! Alternatives do not work. Output that bypasses the display breaks its lines. A special writer for stages would not
//! capture C libraries, and the standard library's hook for `println!` (`set_output_capture`) is unstable and captures a
//! single thread. A file instead of the pipe would have to be polled, and prompts would appear late. When the program ends
//! abruptly, its last output is the most important one, so an [exit guard](super::exit_guard) shows what is still in the pipe, and
//! nothing is removed from the pipe before it is shown ([`TeePipe`]).

use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;

#[cfg(target_os = "linux")]
use rustix::pipe::{SpliceFlags, tee};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use super::clean::LineSplitter;
use super::exit_guard::ExitGuard;

/// Whether a capture is active: the process has only one pair of these descriptors.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How long an incomplete line is held back before it is shown.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// The time limit for draining the pipe at the end, if child processes still write to it.
const LAST: Duration = Duration::from_secs(1);

/// The captured descriptors.
pub(super) struct Capture(Mutex<Option<CaptureState>>);

struct CaptureState {
    /// The original descriptors. Standard output is captured only if the caller asks for it.
    out: Option<OwnedFd>,
    err: OwnedFd,
    ended: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    /// Shows the rest of the output if the program ends abruptly; `None` if it could not be started.
    exit_guard: Option<ExitGuard>,
}

/// Selects the descriptors to capture.
pub(super) enum Streams {
    /// The descriptors that are terminals.
    Terminals,
    Both,
}

/// Returns a copy of standard error that child processes do not inherit.
pub(super) fn copy_of_stderr() -> io::Result<OwnedFd> {
    // From 3 on: the copy must not become a standard descriptor that is closed.
    Ok(fcntl_dupfd_cloexec(io::stderr(), 3)?)
}

impl Capture {
    /// Begins to capture; `show` gets each line. Fails without effect if the system refuses or another capture is active.
    pub(super) fn begin(
        streams: Streams,
        show: impl Fn(Vec<String>) + Send + 'static,
    ) -> io::Result<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(io::Error::other("standard error is captured already"));
        }
        let state = CaptureState::begin(streams, show);
        if state.is_err() {
            TAKEN.store(false, Ordering::Release);
        }
        Ok(Capture(Mutex::new(Some(state?))))
    }

    /// Stops the exit guard: output that is left in the pipe is no longer shown if the program ends abruptly.
    pub(super) fn disinherit(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = &mut *state {
            state.exit_guard = None;
        }
    }

    /// Restores the descriptors, and waits until all captured output is shown.
    pub(super) fn end(&self) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(state) = state {
            state.end();
            TAKEN.store(false, Ordering::Release);
        }
    }
}

impl CaptureState {
    fn begin(streams: Streams, show: impl Fn(Vec<String>) + Send + 'static) -> io::Result<Self> {
        let err = copy_of_stderr()?;
        let captures_out = match streams {
            Streams::Terminals => io::stdout().is_terminal(),
            Streams::Both => true,
        };
        let out = match captures_out {
            true => Some(fcntl_dupfd_cloexec(io::stdout(), 3)?),
            false => None,
        };
        // One pipe for both keeps their order.
        let (from, to) = io::pipe()?;
        let (from, to) = (OwnedFd::from(from), OwnedFd::from(to));
        let exit_guard = match streams {
            Streams::Terminals => ExitGuard::of(&from, &err).ok(),
            Streams::Both => None,
        };
        let ended = Arc::new(AtomicBool::new(false));
        let reader = {
            let ended = ended.clone();
            let reader = thread::Builder::new().name("printed".to_owned());
            reader.spawn(move || read(from, &ended, show))?
        };
        let state = CaptureState {
            out,
            err,
            ended,
            reader,
            exit_guard,
        };
        let taken = dup2_stderr(&to).and_then(|()| match state.out {
            Some(_) => dup2_stdout(&to),
            None => Ok(()),
        });
        drop(to);
        match taken {
            Ok(()) => Ok(state),
            Err(errno) => {
                state.end();
                Err(errno.into())
            }
        }
    }

    fn end(self) {
        // `dup2` between open descriptors does not fail, and nothing could be done if it did.
        if let Some(out) = &self.out {
            let _ = dup2_stdout(out);
        }
        let _ = dup2_stderr(&self.err);
        // Only child processes that inherited the pipe can still write to it.
        self.ended.store(true, Ordering::Release);
        let _ = self.reader.join();
        drop(self.exit_guard);
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads until all writers have closed the pipe, or until the capture has ended and the pipe is empty.
fn read(from: OwnedFd, ended: &AtomicBool, show: impl Fn(Vec<String>)) {
    let mut from = std::fs::File::from(from);
    let mut cutter = LineSplitter::default();
    let mut buffer = vec![0; 64 << 10];
    let mut until = None;
    let copy = TeePipe::new();
    loop {
        if ended.load(Ordering::Acquire) {
            let until = *until.get_or_insert_with(|| Instant::now() + LAST);
            if Instant::now() >= until {
                break;
            }
        }
        match wait(&from) {
            Ok(true) => {}
            Ok(false) if ended.load(Ordering::Acquire) => break,
            // The incomplete line may be a prompt.
            Ok(false) if cutter.has_rest() => {
                show(cutter.rest().into_iter().collect());
                continue;
            }
            Ok(false) => continue,
            Err(_) => break,
        }
        let copied = copy.as_ref().and_then(|copy| copy.of(&from, &mut buffer));
        let read = match copied {
            Some(read) => Ok(read),
            None => from.read(&mut buffer),
        };
        match read {
            Ok(0) => break,
            Ok(read) => {
                let lines = cutter.add(&buffer[..read]);
                if !lines.is_empty() {
                    show(lines);
                }
                if copied.is_some() && from.read_exact(&mut buffer[..read]).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if cutter.has_rest() {
        show(cutter.rest().into_iter().collect());
    }
}

/// A second pipe for `tee(2)`: output is copied into it and shown before it is removed from the first one, so that the exit guard
/// can show it if the program ends in between.
struct TeePipe {
    #[cfg(target_os = "linux")]
    from: OwnedFd,
    #[cfg(target_os = "linux")]
    into: OwnedFd,
}

#[cfg(target_os = "linux")]
impl TeePipe {
    fn new() -> Option<Self> {
        let (from, into) = io::pipe().ok()?;
        let (from, into) = (from.into(), into.into());
        Some(TeePipe { from, into })
    }

    /// Reads from the pipe without removing; returns `None` if the system refuses.
    fn of(&self, pipe: &impl AsFd, buffer: &mut [u8]) -> Option<usize> {
        let copied = tee(pipe, &self.into, buffer.len(), SpliceFlags::NONBLOCK).ok()?;
        let mut read = 0;
        while read < copied {
            match rustix::io::read(&self.from, &mut buffer[read..copied]) {
                Ok(0) => return None,
                Ok(more) => read += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        Some(copied)
    }
}

#[cfg(not(target_os = "linux"))]
impl TeePipe {
    fn new() -> Option<Self> {
        None
    }

    fn of(&self, _: &impl AsFd, _: &mut [u8]) -> Option<usize> {
        None
    }
}

/// Waits for input or the end of the pipe; returns `false` after `PATIENCE`.
fn wait(from: &impl AsFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(from, PollFlags::IN)];
    match poll(&mut fds, Some(&PATIENCE)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
