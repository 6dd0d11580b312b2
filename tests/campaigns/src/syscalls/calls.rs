//! Which system calls meet which faults.

/// A fault at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and gives this error.
    Error(&'static str),
    /// The process is killed as it enters.
    Kill,
}

impl Fault {
    /// As `strace` wants it told.
    #[must_use]
    pub fn injection(self) -> String {
        match self {
            Fault::Error(errno) => format!("error={errno}"),
            Fault::Kill => "signal=SIGKILL".to_owned(),
        }
    }

    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Error(errno) => errno,
            Fault::Kill => "SIGKILL",
        }
    }
}

/// Needs a name or makes an entry, and a free descriptor as well.
const OPENS: &[&str] = &["ENOSPC", "EIO", "EACCES", "EMFILE"];
/// Changes a folder or an inode: copy-on-write file systems and quotas want room even to remove.
const CHANGES: &[&str] = &["ENOSPC", "EIO", "EACCES"];
/// Looks at a path; takes no room and no descriptor.
const LOOKS: &[&str] = &["EIO", "EACCES"];
/// Writes to what is open: the right to was asked when it was opened.
const WRITES: &[&str] = &["ENOSPC", "EIO"];
/// Reads from what is open.
const READS: &[&str] = &["EIO"];
/// Only kills: it gives none of these errors, or none that means that it was not done.
const KILLS: &[&str] = &[];

/// The calls, each with the errors that it can give. To every one, a kill can happen.
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
    // Room that was promised and is not there comes out here, on some file systems.
    ("fsync", WRITES),
    ("fdatasync", WRITES),
    ("read", READS),
    ("pread64", READS),
    ("getdents64", READS),
    ("fstat", READS),
    ("flock", READS),
    ("fcntl", &["EMFILE"]),
    // Whatever it says, the descriptor is gone and its locks with it; one that is not even made keeps them.
    ("close", KILLS),
    // It sets a number.
    ("lseek", KILLS),
    // It gives the name of a folder that is in the kernel's memory.
    ("getcwd", KILLS),
];

/// The faults of a call, if it is known.
#[must_use]
pub fn faults(call: &str) -> Option<Vec<Fault>> {
    let (_, errors) = CALLS.iter().find(|(known, _)| *known == call)?;
    let errors = errors.iter().map(|errno| Fault::Error(errno));
    Some(errors.chain([Fault::Kill]).collect())
}

/// The calls to trace: all on paths, and those on descriptors that are known here.
#[must_use]
pub fn traced() -> String {
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    format!("trace=%file,{}", names.join(","))
}
