//! Whether anybody has a file open for writing.
//!
//! Neither times nor modes tell: a descriptor that was opened before a mode was changed still writes, and what is written
//! through a shared mapping need not move a time. Linux refuses a read lease on a file that is open for writing or is mapped
//! so (fcntl(2), `F_SETLEASE`). It gives leases to the owner of a file alone, and not on every file system.

use std::fs::File;

/// Who has a file open for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Nobody,
    Somebody,
    /// The system does not say: another owner, a network file system, another system than Linux.
    Unknown,
}

/// Who has `file` open for writing. It has to be opened for reading alone.
#[cfg(target_os = "linux")]
pub(crate) fn writers(file: &File) -> Writers {
    match lease::take_and_give_back(file) {
        Ok(()) => Writers::Nobody,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Writers::Somebody,
        Err(_) => Writers::Unknown,
    }
}

/// Who has `file` open for writing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn writers(_: &File) -> Writers {
    Writers::Unknown
}

/// The call that no safe crate has.
#[cfg(target_os = "linux")]
mod lease {
    #![allow(
        unsafe_code,
        reason = "fcntl(2) takes a descriptor and an integer here"
    )]

    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;

    /// The same on all architectures but PA-RISC (`asm-generic/fcntl.h`).
    const F_SETSIG: libc::c_int = 10;

    pub(in crate::store) fn take_and_give_back(file: &File) -> io::Result<()> {
        // Whoever opens it for writing in between has a signal sent here, by default SIGIO, which ends the process. This one is
        // ignored unless somebody handles it.
        fcntl(file, F_SETSIG, libc::SIGURG)?;
        fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)?;
        fcntl(file, libc::F_SETLEASE, libc::F_UNLCK)
    }

    fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `file` is borrowed. These commands take an integer and touch no memory of
        // this process.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
