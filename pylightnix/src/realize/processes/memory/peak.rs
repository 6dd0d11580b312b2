//! The most memory that the processes of a stage held, as the worker itself sees it.

use std::fs;

use crate::realize::processes::c_library;

/// Notes the most memory from the beginning of a stage on.
pub(in crate::realize::processes) struct PeakSince {
    /// The most memory of this process before, unless it does not count any more.
    before: Option<u64>,
    /// That of the largest process that it has waited for. Nothing resets it.
    child_before: Option<u64>,
}

impl PeakSince {
    /// Begins with a stage, the first one in this process or a later one.
    pub(in crate::realize::processes) fn begin(is_first: bool) -> Self {
        // A process of a sealed stage may not write this, and runs one stage.
        let is_reset = is_first || fs::write("/proc/self/clear_refs", "5").is_ok();
        PeakSince {
            before: (!is_reset).then(most_held).flatten(),
            child_before: c_library::largest_child(),
        }
    }

    /// Returns the most bytes that this process, or one that it waited for, held at once; `None` if it is not known.
    pub(in crate::realize::processes) fn end(&self) -> Option<u64> {
        let own = most_held().filter(|held| Some(*held) > self.before)?;
        let child = c_library::largest_child().filter(|held| Some(*held) > self.child_before);
        Some(own.max(child.unwrap_or(0)))
    }
}

/// Returns the most bytes that this process held at once, since it was reset.
fn most_held() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes << 10)
}
