//! What no safe crate asks of the C library.

#![allow(
    unsafe_code,
    reason = "streams of the C library, and what it knows of ended children, are reached through pointers"
)]

use std::mem::MaybeUninit;
use std::ptr;

unsafe extern "C" {
    /// The stream that C libraries print to.
    #[cfg_attr(target_vendor = "apple", link_name = "__stdoutp")]
    static stdout: *mut libc::FILE;
}

/// Has what C libraries print written line by line, so that it is in the log of a stage that dies.
pub(super) fn print_by_lines() {
    // SAFETY: the stream lives as long as the process, and nothing was printed to it yet; without a buffer given, the library makes one.
    unsafe {
        libc::setvbuf(stdout, ptr::null_mut(), libc::_IOLBF, 0);
    }
}

/// Writes what C libraries have printed and still keep.
pub(super) fn flush() {
    // SAFETY: no stream stands for all that are open for writing, which the library locks one by one.
    unsafe {
        libc::fflush(ptr::null_mut());
    }
}

/// Returns the most bytes that one ended child process, or one of theirs, held at once; `None` if there was none.
pub(super) fn largest_child() -> Option<u64> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the library fills the structure if it returns 0.
    let usage = unsafe {
        match libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) {
            0 => usage.assume_init(),
            _ => return None,
        }
    };
    let held = u64::try_from(usage.ru_maxrss)
        .ok()
        .filter(|held| *held > 0)?;
    // Linux counts KiB, others bytes.
    Some(match cfg!(target_os = "linux") {
        true => held << 10,
        false => held,
    })
}
