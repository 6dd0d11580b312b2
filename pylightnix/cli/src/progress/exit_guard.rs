//! Shows the last output if the program ends abruptly: by `abort`, by `exit` during a stage, by a fault in native code or by
//! a kill. That output is still in the pipe, and often contains the cause.
//!
//! Only another process can show it: a kill runs no handler, and a handler after a fault must not take the locks of the
//! display. Continuing in a forked child is not safe with several threads, and the executable belongs to the user, so it
//! cannot be started in another role. Every Unix has a shell that can wait and copy. It costs one process for each run with
//! a display, and ends with the run.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// The script of the guard process, which shows what is left in the pipe once this program is gone. It waits for the end
/// of another pipe, its standard error. The cursor is then in the first line of the display, and a shell may already have
/// written there.
const SCRIPT: &str = r#"trap '' INT TSTP
read -r _ <&2
printf '\n\033[J'
exec cat"#;

pub(super) struct ExitGuard {
    process: Child,
    /// The write end of the pipe that the guard process waits for: it closes with this process.
    _life: io::PipeWriter,
}

impl ExitGuard {
    /// Starts the guard of the pipe with the read end `from`; it writes to `terminal`.
    pub(super) fn of(from: &OwnedFd, terminal: &OwnedFd) -> io::Result<Self> {
        let (life, ours) = io::pipe()?;
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .current_dir("/")
            .stdin(Stdio::from(from.try_clone()?))
            .stdout(Stdio::from(terminal.try_clone()?))
            .stderr(Stdio::from(life))
            .spawn()?;
        Ok(ExitGuard {
            process,
            _life: ours,
        })
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        // All output was shown: the guard has nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
