//! Shows the last output if the program ends abruptly: by `abort`, by `exit` in the middle of a stage, by a fault in native
//! code or by a kill. That output is still in the pipe, and often says why.
//!
//! Only another process can show it: no handler runs at a kill, and one that runs after a fault may not take the locks that
//! the display needs. A fork that goes on in our own code is not safe, as there are other threads, and the program that
//! would be started anew is our user's, who knows nothing of this. Every Unix has a shell that waits and copies; it costs
//! one process a run with a display, and ends with it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// The script of the heir process, which shows what is left in the pipe once this program is gone. It waits for the end
/// of another pipe, its standard error. The cursor is then in the first line of the display, and a shell may already have
/// written there.
const HEIR: &str = r#"trap '' INT TSTP
read -r _ <&2
printf '\n\033[J'
exec cat"#;

pub(super) struct Heir {
    process: Child,
    /// The write end of the pipe that the heir waits for: it closes with this process.
    _life: io::PipeWriter,
}

impl Heir {
    /// Starts the heir of the pipe with the read end `from`; it writes to `terminal`.
    pub(super) fn of(from: &OwnedFd, terminal: &OwnedFd) -> io::Result<Self> {
        let (life, ours) = io::pipe()?;
        let process = Command::new("/bin/sh")
            .args(["-c", HEIR])
            .current_dir("/")
            .stdin(Stdio::from(from.try_clone()?))
            .stdout(Stdio::from(terminal.try_clone()?))
            .stderr(Stdio::from(life))
            .spawn()?;
        Ok(Heir {
            process,
            _life: ours,
        })
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // All output was shown: the heir has nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
