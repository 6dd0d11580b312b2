//! The system calls, with the faults that are injected into them.

/// A fault in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is not executed and returns this error.
    Error(&'static str),
    /// The process is killed at the beginning of the call.
    Kill,
}

impl Fault {
    /// Returns the fault in the syntax of `strace`.
    #[must_use]
    pub fn injection(self) -> String {
        match self {
            Fault::Error(errno) => format!("error={errno}"),
            Fault::Kill => "signal=SIGKILL".to_owned(),
        }
    }

    /// Returns the name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Error(errno) => errno,
            Fault::Kill => "SIGKILL",
        }
    }
}

/// Calls that create an entry or look up a name, and need a free descriptor.
const OPENS: &[&str] = &["ENOSPC", "EIO", "EACCES", "EMFILE"];
/// Calls that change a folder or an inode: copy-on-write file systems and quotas need space even for removing.
const CHANGES: &[&str] = &["ENOSPC", "EIO", "EACCES"];
/// Calls that make a hard link, which not every file may have.
const LINKS: &[&str] = &["ENOSPC", "EIO", "EACCES", "EMLINK", "EXDEV", "EPERM"];
/// Calls that look up a path; they need neither space nor a descriptor.
const LOOKS: &[&str] = &["EIO", "EACCES"];
/// Calls that write to an open file: permission was checked when it was opened.
const WRITES: &[&str] = &["ENOSPC", "EIO"];
/// Calls that read from an open file.
const READS: &[&str] = &["EIO"];
/// Calls that are only killed: they return none of these errors, or an error does not mean that nothing was done.
const KILLS: &[&str] = &[];

/// The calls, each with its possible errors. A kill is possible at every call.
const CALLS: &[(&str, &[&str])] = &[
    ("open", OPENS),
    ("openat", OPENS),
    ("creat", OPENS),
    ("mkdir", CHANGES),
    ("mkdirat", CHANGES),
    ("rename", CHANGES),
    ("renameat", CHANGES),
    ("renameat2", CHANGES),
    ("unlink", CHANGES),
    ("unlinkat", CHANGES),
    ("rmdir", CHANGES),
    ("link", LINKS),
    ("linkat", LINKS),
    ("symlink", CHANGES),
    ("symlinkat", CHANGES),
    ("chmod", CHANGES),
    ("fchmodat", CHANGES),
    ("utimensat", CHANGES),
    ("fchmod", WRITES),
    ("stat", LOOKS),
    ("lstat", LOOKS),
    ("statx", LOOKS),
    ("newfstatat", LOOKS),
    ("access", LOOKS),
    ("faccessat", LOOKS),
    ("faccessat2", LOOKS),
    ("readlink", LOOKS),
    ("readlinkat", LOOKS),
    ("statfs", LOOKS),
    ("write", WRITES),
    ("pwrite64", WRITES),
    ("writev", WRITES),
    ("ftruncate", WRITES),
    ("fallocate", WRITES),
    ("copy_file_range", WRITES),
    ("sendfile", WRITES),
    ("ioctl", WRITES),
    // On some file systems, missing space is reported only here.
    ("fsync", WRITES),
    ("fdatasync", WRITES),
    ("read", READS),
    ("pread64", READS),
    ("getdents64", READS),
    ("fstat", READS),
    ("flock", READS),
    ("fcntl", &["EMFILE"]),
    // An error still closes the descriptor and releases its locks; a skipped call keeps them.
    ("close", KILLS),
    // It only sets a number.
    ("lseek", KILLS),
    // It returns a name from the kernel's memory.
    ("getcwd", KILLS),
];

/// Returns the faults of a call, if it is known.
#[must_use]
pub fn faults(call: &str) -> Option<Vec<Fault>> {
    let (_, errors) = CALLS.iter().find(|(known, _)| *known == call)?;
    let errors = errors.iter().map(|errno| Fault::Error(errno));
    Some(errors.chain([Fault::Kill]).collect())
}

/// Returns the calls to trace: all calls on paths, and the known ones on descriptors.
#[must_use]
pub fn traced() -> String {
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    format!("trace=%file,{}", names.join(","))
}
