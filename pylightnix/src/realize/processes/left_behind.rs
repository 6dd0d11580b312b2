//! What a stage left running when it ended: it must not write to the log of the next one, nor outlive the run.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How often the children are killed: those of a child that is gone are children of this process then.
const ROUNDS: u32 = 1000;

/// Has all that the stages start, and that loses its parent, become a child of this process, also in a session of its own.
pub(super) fn adopt() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
}

/// Ends all children of this process, and theirs. Returns whether there were any.
pub(super) fn end_left_behind() -> bool {
    if !has_children() {
        return false;
    }
    for _ in 0..ROUNDS {
        let children = children();
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        while let Ok(Some(_)) = waitid(WaitId::All, ended) {}
        if children.is_empty() || !has_children() {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

/// Whether this process has children, those that have ended and were not waited for included.
fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, options).is_ok()
}

/// Returns the children of all threads. Where the system does not list them, the process of the run ends the group.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        children.extend(numbers.filter_map(Pid::from_raw));
    }
    children
}
