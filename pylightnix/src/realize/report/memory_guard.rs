//! What keeps stages to the memory that they declare.

use std::fmt;

/// What keeps a stage that runs in a process of its own to the memory that it declares.
///
/// Displays as a sentence for people, `memory limits: kept by control groups (cgroup v2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MemoryGuard {
    /// A control group of version 2, by which the kernel ends all processes of the stage at once.
    CgroupV2,
    /// A control group of version 1, by which the kernel ends one process of the stage.
    CgroupV1,
    /// No group can be made here: the run looks at the resident memory of the stage's processes every 100 ms, and ends them.
    Watch,
    /// Nothing, as on systems other than Linux.
    Nothing,
}

impl MemoryGuard {
    /// Returns the name that programs read: `cgroup-v2`, `cgroup-v1`, `watch` or `nothing`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MemoryGuard::CgroupV2 => "cgroup-v2",
            MemoryGuard::CgroupV1 => "cgroup-v1",
            MemoryGuard::Watch => "watch",
            MemoryGuard::Nothing => "nothing",
        }
    }
}

impl fmt::Display for MemoryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory limits: ")?;
        f.write_str(match self {
            MemoryGuard::CgroupV2 => "kept by control groups (cgroup v2)",
            MemoryGuard::CgroupV1 => "kept by control groups (cgroup v1)",
            MemoryGuard::Watch => "looked at every 100 ms, as no control group can be made here",
            MemoryGuard::Nothing => {
                "not kept on this system: stages may use more than they declare"
            }
        })
    }
}
