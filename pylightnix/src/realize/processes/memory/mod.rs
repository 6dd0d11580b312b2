//! The memory of workers: what keeps a stage to the memory that it declares, and the most that it held.
//!
//! A worker with a limit is put into a control group of its own by `group` where one can be made; else `watch` looks at it. What the program held
//! before, its plan above all, does not count. `RLIMIT_AS` would end stages that only reserve addresses. `peak` is the side of the worker.

#[cfg(target_os = "linux")]
mod group;
pub(super) mod peak;
#[cfg(target_os = "linux")]
mod process_table;
#[cfg(target_os = "linux")]
mod watch;

use rustix::process::Pid;

#[cfg(target_os = "linux")]
use self::{group::Group, watch::Watched};
use crate::realize::report::memory_guard::MemoryGuard;
use crate::units::text;
use crate::{BoxError, Error, ErrorKind};

/// The limit of the memory of a worker and of all that it starts. When it is dropped, nothing of them is left in its group.
pub(super) struct MemoryLimit {
    bytes: u64,
    kept: Kept,
}

/// What keeps a limit.
enum Kept {
    #[cfg(target_os = "linux")]
    InGroup(Group),
    #[cfg(target_os = "linux")]
    Watched(Watched),
    #[cfg(not(target_os = "linux"))]
    Not,
}

impl MemoryLimit {
    /// Limits what this process, and all that it will start, uses more than it does now.
    pub(super) fn of(process: Pid, bytes: u64) -> Self {
        #[cfg(target_os = "linux")]
        let kept = match Group::with(process, bytes) {
            Some(group) => Kept::InGroup(group),
            None => Kept::Watched(Watched::begin(process, bytes)),
        };
        #[cfg(not(target_os = "linux"))]
        let kept = {
            let _ = process;
            Kept::Not
        };
        MemoryLimit { bytes, kept }
    }

    /// Returns what keeps it.
    pub(super) fn guard(&self) -> MemoryGuard {
        match &self.kept {
            #[cfg(target_os = "linux")]
            Kept::InGroup(group) => group.guard(),
            #[cfg(target_os = "linux")]
            Kept::Watched(_) => MemoryGuard::Watch,
            #[cfg(not(target_os = "linux"))]
            Kept::Not => MemoryGuard::Nothing,
        }
    }

    /// Returns what the processes used if some were killed for it.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        let bytes = self.bytes;
        match &self.kept {
            #[cfg(target_os = "linux")]
            Kept::InGroup(group) => group.has_killed().then_some(Exceeded { bytes, used: None }),
            #[cfg(target_os = "linux")]
            Kept::Watched(watched) => watched.exceeded().map(|used| Exceeded {
                bytes,
                used: Some(used),
            }),
            #[cfg(not(target_os = "linux"))]
            Kept::Not => {
                let _ = bytes;
                None
            }
        }
    }
}

/// A limit that was exceeded.
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "none is kept there")
)]
pub(super) struct Exceeded {
    bytes: u64,
    /// What was used; `None` if the kernel gave no more than the limit.
    used: Option<u64>,
}

impl Exceeded {
    /// Returns the error of a stage whose process was killed for its memory.
    pub(super) fn of_stage(&self) -> BoxError {
        let message = format!("its process was killed: it {}", self.said());
        Error::new(ErrorKind::Stage, message)
            .with_help(format!(
                "{}\nwhat it printed last is in its log",
                self.advice()
            ))
            .into()
    }

    /// Returns the error of a stage that failed after a process that it had started was killed for the memory of both.
    pub(super) fn of_child(&self, cause: BoxError) -> BoxError {
        let message = format!(
            "a process that it started was killed: together they {}",
            self.said()
        );
        Error::new(ErrorKind::Stage, message)
            .because(cause)
            .with_help(self.advice())
            .into()
    }

    fn said(&self) -> String {
        let Some(used) = self.used else {
            return format!("used all of {} of memory, and more", text::size(self.bytes));
        };
        let (used, limit) = text::sizes(used, self.bytes);
        // One unit is enough if it is the same.
        let unit = limit.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let used = used.strip_suffix(unit).unwrap_or(&used);
        format!("used {used} of {limit} of memory")
    }

    fn advice(&self) -> String {
        let twice = text::exact_size(self.bytes.saturating_mul(2));
        format!(
            "let it use less, or declare more: `#[stage(memory = \"{twice}\")]`, or `with_limits` for this stage alone\nwhat builds held that ended \
             well, `show` prints"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_was_used_of_what() {
        let said = |bytes, used| Exceeded { bytes, used }.said();
        let used = said(4 << 30, Some((4 << 30) + (3 << 30) / 10));
        assert_eq!(used, "used 4.3 of 4 GiB of memory");
        let used = said(1 << 30, Some(1100 << 30));
        assert_eq!(used, "used 1.1 TiB of 1 GiB of memory");
        assert_eq!(
            said(100 << 20, None),
            "used all of 100 MiB of memory, and more"
        );
    }
}
