//! Whether the files under git in the working directory differ from the commit that is checked out.
//!
//! Git is asked once per process, beside the first build, so that a build does not wait for it.

use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Digest;
use crate::store::object::commit;

/// Differences above this size are not hashed.
const LONGEST: u64 = 64 << 20;

/// How long the first record waits for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What git says of the working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uncommitted {
    /// Whether a file under git differs from the commit.
    pub(crate) dirty: bool,
    /// The digest of the difference; `None` if there is none, or a very long one.
    pub(crate) difference: Option<Digest>,
}

#[derive(Clone, Copy)]
enum Answer {
    NotAsked,
    Asked,
    Known(Option<Uncommitted>),
    /// It took too long: records are written without it until it is there.
    Late,
}

static ANSWER: Mutex<Answer> = Mutex::new(Answer::NotAsked);
static ANSWERED: Condvar = Condvar::new();

impl Uncommitted {
    /// Asks git, on a thread of its own, unless that was done before.
    pub(crate) fn ask() {
        let mut answer = ANSWER.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*answer, Answer::NotAsked) {
            return;
        }
        *answer = Answer::Known(None);
        // Outside of a repository no process is started.
        if commit::current().is_none() {
            return;
        }
        let thread = thread::Builder::new().name("git diff".to_owned());
        let asked = thread.spawn(|| {
            let known = asked();
            *ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = Answer::Known(known);
            ANSWERED.notify_all();
        });
        if asked.is_ok() {
            *answer = Answer::Asked;
        }
    }

    /// Returns what git said; `None` outside of a repository, if git cannot tell, and as long as it takes too long.
    pub(crate) fn known() -> Option<Uncommitted> {
        let until = Instant::now() + PATIENCE;
        let mut answer = ANSWER.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *answer {
                Answer::Known(known) => return known,
                Answer::NotAsked | Answer::Late => return None,
                Answer::Asked => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *answer = Answer::Late;
                return None;
            }
            let waited = ANSWERED.wait_timeout(answer, left);
            answer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Runs git. Its configuration must not change what is hashed, nor start other programs.
fn asked() -> Option<Uncommitted> {
    let mut git = Command::new("git")
        .args(["--no-optional-locks", "-c", "core.fsmonitor=false"])
        .args(["-c", "diff.relative=false", "diff", "--binary"])
        .args(["--no-ext-diff", "--no-textconv", "--no-color", "HEAD"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let read = git.stdout.take().map(|output| hashed(output, LONGEST));
    // It may still be writing a long difference.
    let is_cut = matches!(&read, Some(Ok((length, _))) if *length > LONGEST);
    if is_cut {
        let _ = git.kill();
    }
    let ended = git.wait().ok()?;
    let (length, digest) = read?.ok()?;
    (is_cut || ended.success()).then_some(Uncommitted {
        dirty: length > 0,
        difference: (length > 0 && !is_cut).then_some(digest),
    })
}

/// Reads up to one byte more than `longest`. Returns how many there were, and the digest of them.
fn hashed(mut from: impl Read, longest: u64) -> std::io::Result<(u64, Digest)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = [0; 16 * 1024];
    while length <= longest {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        length += read as u64;
    }
    Ok((length, Digest(hash.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_difference_is_not_read_to_its_end() {
        let (length, digest) = hashed(&b"a difference"[..], 12).unwrap();
        assert_eq!((length, digest), (12, Digest::of(b"a difference")));
        let (length, _) = hashed(std::io::repeat(0), 100_000).unwrap();
        assert!((100_001..200_000).contains(&length), "{length}");
    }
}
