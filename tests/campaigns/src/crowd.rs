//! Actors that run in parallel until they are killed or released.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs::File, thread};

use crate::actor::Ended;
use crate::unable;

/// A longer run counts as a hang.
const LONGEST: Duration = Duration::from_secs(120);

/// An actor of a crowd, killed on drop.
pub struct Member {
    child: Child,
    /// An actor that stays runs until this is closed.
    input: Option<ChildStdin>,
    out: File,
    err: File,
}

impl Member {
    /// Starts an actor.
    ///
    /// # Errors
    /// Fails if it cannot be started.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Member> {
        let mut command = Command::new(program);
        command.arg("actor").args(arguments);
        Self::run(command)
    }

    /// Starts a command that does what an actor does.
    ///
    /// # Errors
    /// Fails if it cannot be started.
    pub fn run(mut command: Command) -> Result<Member> {
        let said = |error: std::io::Error| unable(format!("an actor: {error}"));
        // Output goes to files, so that no process waits for a pipe.
        let out = tempfile::tempfile().map_err(said)?;
        let err = tempfile::tempfile().map_err(said)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(out.try_clone().map_err(said)?)
            .stderr(err.try_clone().map_err(said)?)
            .spawn()
            .map_err(said)?;
        let input = child.stdin.take();
        Ok(Member {
            child,
            input,
            out,
            err,
        })
    }

    /// Returns the process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, without cleanup.
    ///
    /// # Errors
    /// Fails if its output cannot be read.
    pub fn kill(&mut self) -> Result<Ended> {
        let _ = self.child.kill();
        self.ended()
    }

    /// Releases an actor that stays, and waits for its end.
    ///
    /// # Errors
    /// Fails if it hangs, or if its output cannot be read.
    pub fn let_go(&mut self) -> Result<Ended> {
        self.input = None;
        let begun = Instant::now();
        while self.is_running()? {
            hangs(begun)?;
            thread::sleep(Duration::from_millis(1));
        }
        self.ended()
    }

    /// Waits until it reports completion, or ends.
    ///
    /// # Errors
    /// Fails if it hangs, or if its output cannot be read.
    pub fn wait_until_made(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.said()?.lines().any(|line| line == "made") && self.is_running()? {
            hangs(begun)?;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Returns whether it still runs.
    ///
    /// # Errors
    /// Fails if its status cannot be determined.
    pub fn is_running(&mut self) -> Result<bool> {
        let status = self.child.try_wait();
        status
            .map(|status| status.is_none())
            .map_err(|error| unable(error.to_string()))
    }

    /// Returns its acknowledgements so far.
    ///
    /// # Errors
    /// Fails if its output cannot be read.
    pub fn acknowledged(&mut self) -> Result<Vec<RRefId>> {
        let said = self.said()?;
        let whole = said
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let acknowledged = whole.filter_map(|line| line.trim_end().strip_prefix("ack "));
        let acknowledged: std::result::Result<_, pylightnix::Error> =
            acknowledged.map(str::parse).collect();
        Ok(acknowledged?)
    }

    /// Returns its output so far.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn said(&mut self) -> Result<String> {
        text(&self.out)
    }

    fn ended(&mut self) -> Result<Ended> {
        let status = (self.child.wait()).map_err(|error| unable(error.to_string()))?;
        Ok(Ended {
            code: status.code(),
            signal: status.signal(),
            acknowledged: self.acknowledged()?,
            done: self.said()?.lines().any(|line| line == "done"),
            error: text(&self.err)?,
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the content of a file, without changing the position of its writer.
fn text(file: &File) -> Result<String> {
    let read = || {
        let length = file.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(|error: std::io::Error| unable(error.to_string()))
}

fn hangs(since: Instant) -> Result<()> {
    if since.elapsed() > LONGEST {
        return Err(unable("an actor hangs"));
    }
    Ok(())
}
