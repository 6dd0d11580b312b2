//! What was printed last, when the program ends all of a sudden: `abort`, `exit` in the middle of a stage, a fault in native
//! code, a kill. It is still in the pipe then, and often it says why.
//!
//! Only another process can show it: no handler runs at a kill, and one that runs after a fault may not take the locks that the
//! display needs. A fork that goes on in our own code is not safe, as there are other threads, and the program that would be started
//! anew is our user's, who knows nothing of this. Every Unix has a shell that waits and copies; it costs one process a run with a
//! display, and ends with it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// A process that shows what is left in a pipe when this program is gone, in place of the display. For that it waits for the end
/// of another pipe, which it has as its standard error. The cursor is in the first line of the display then, and maybe a shell
/// has written there.
const HEIR: &str = r#"trap '' INT TSTP
read -r _ <&2
printf '\n\033[J'
exec cat"#;

pub(super) struct Heir {
    process: Child,
    /// Its end is ours.
    _life: io::PipeWriter,
}

impl Heir {
    /// Of what is printed into the pipe whose end is `from`, to be shown by `terminal`.
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
        // Everything was shown.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
