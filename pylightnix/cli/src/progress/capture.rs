//! Standard output and standard error as pipes: what anybody in this process prints goes to somebody who shows it.
//!
//! Everything prints through the descriptors 1 and 2: `println!`, C libraries, panic messages, child processes that got them
//! from us. So these are made a pipe, and made what they were when it ends.
//!
//! Nothing less does it. What is printed past the display tears its lines apart, and stages print what they like: a writer that
//! they had to use would be of no help with a library in C, and the hook of the standard library for `println!`
//! (`set_output_capture`) is not stable and knows of one thread alone. A file in place of the pipe would have to be looked at again
//! and again, and prompts would come late. What is in the pipe when the program ends all of a sudden is the most telling that it
//! ever printed, so an [`heir`](super::heir) shows it, and nothing is taken out of the pipe before it is shown ([`Peek`]).

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

use super::clean::Cutter;
use super::heir::Heir;

/// There are only two such descriptors.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How long the beginning of a line waits for its end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// How long what is in the pipe at the end may take, if there are others that write to it.
const LAST: Duration = Duration::from_secs(1);

/// The captured descriptors.
pub(super) struct Capture(Mutex<Option<Held>>);

struct Held {
    /// What they were. Standard output is only captured where the caller says so.
    out: Option<OwnedFd>,
    err: OwnedFd,
    ended: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    /// Without one, all is the same until the program ends too early.
    heir: Option<Heir>,
}

/// Which descriptors are captured.
pub(super) enum Which {
    /// Those that are terminals.
    Terminals,
    Both,
}

/// A copy of standard error that children do not get.
pub(super) fn copy_of_stderr() -> io::Result<OwnedFd> {
    // Not one of the first three, whatever is closed.
    Ok(fcntl_dupfd_cloexec(io::stderr(), 3)?)
}

impl Capture {
    /// Begins; `show` gets each line. An error, and nothing is changed, if the system refuses or another one goes on.
    pub(super) fn begin(
        which: Which,
        show: impl Fn(Vec<String>) + Send + 'static,
    ) -> io::Result<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(io::Error::other("standard error is captured already"));
        }
        let held = Held::begin(which, show);
        if held.is_err() {
            TAKEN.store(false, Ordering::Release);
        }
        Ok(Capture(Mutex::new(Some(held?))))
    }

    /// From now on, nobody shows what is left when the program ends too early.
    pub(super) fn disinherit(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &mut *held {
            held.heir = None;
        }
    }

    /// Makes the descriptors what they were, and has all that was printed shown.
    pub(super) fn end(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(held) = held {
            held.end();
            TAKEN.store(false, Ordering::Release);
        }
    }
}

impl Held {
    fn begin(which: Which, show: impl Fn(Vec<String>) + Send + 'static) -> io::Result<Self> {
        let err = copy_of_stderr()?;
        let captures_out = match which {
            Which::Terminals => io::stdout().is_terminal(),
            Which::Both => true,
        };
        let out = match captures_out {
            true => Some(fcntl_dupfd_cloexec(io::stdout(), 3)?),
            false => None,
        };
        // One pipe for both keeps the order in which they are printed to.
        let (from, to) = io::pipe()?;
        let (from, to) = (OwnedFd::from(from), OwnedFd::from(to));
        let heir = match which {
            Which::Terminals => Heir::of(&from, &err).ok(),
            Which::Both => None,
        };
        let ended = Arc::new(AtomicBool::new(false));
        let reader = {
            let ended = ended.clone();
            let reader = thread::Builder::new().name("printed".to_owned());
            reader.spawn(move || read(from, &ended, show))?
        };
        let held = Held {
            out,
            err,
            ended,
            reader,
            heir,
        };
        let taken = dup2_stderr(&to).and_then(|()| match held.out {
            Some(_) => dup2_stdout(&to),
            None => Ok(()),
        });
        drop(to);
        match taken {
            Ok(()) => Ok(held),
            Err(errno) => {
                held.end();
                Err(errno.into())
            }
        }
    }

    fn end(self) {
        // Nothing can be done if it is refused, and it never is: both are open.
        if let Some(out) = &self.out {
            let _ = dup2_stdout(out);
        }
        let _ = dup2_stderr(&self.err);
        // The pipe has no other end now, but for children that got it from us.
        self.ended.store(true, Ordering::Release);
        let _ = self.reader.join();
        drop(self.heir);
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads until nobody can write any more, or until it is ended and nothing is left.
fn read(from: OwnedFd, ended: &AtomicBool, show: impl Fn(Vec<String>)) {
    let mut from = std::fs::File::from(from);
    let mut cutter = Cutter::default();
    let mut buffer = vec![0; 64 << 10];
    let mut until = None;
    let copy = Peek::new();
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
            // A prompt, maybe.
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

/// What is in a pipe is copied into this one and shown before it is taken out: when the program ends in between, somebody else
/// shows it, rather than nobody.
struct Peek {
    #[cfg(target_os = "linux")]
    from: OwnedFd,
    #[cfg(target_os = "linux")]
    into: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Peek {
    fn new() -> Option<Self> {
        let (from, into) = io::pipe().ok()?;
        let (from, into) = (from.into(), into.into());
        Some(Peek { from, into })
    }

    /// Reads what stays in the pipe; nothing if the system refuses.
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
impl Peek {
    fn new() -> Option<Self> {
        None
    }

    fn of(&self, _: &impl AsFd, _: &mut [u8]) -> Option<usize> {
        None
    }
}

/// Whether there is something to read, or the end of it, before patience ends.
fn wait(from: &impl AsFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(from, PollFlags::IN)];
    match poll(&mut fds, Some(&PATIENCE)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
