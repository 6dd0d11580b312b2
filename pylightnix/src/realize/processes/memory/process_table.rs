//! The processes of this machine, with their memory.

use std::collections::HashSet;
use std::fs;
use std::io;

use rustix::process::Pid;

/// A process.
pub(super) struct ProcessRow {
    pub(super) process: Pid,
    parent: i32,
    group: i32,
    /// When it started, in ticks since the machine did: with the number it tells a process from all others.
    pub(super) started: u64,
    /// The memory that it holds, in bytes.
    pub(super) resident: u64,
}

impl ProcessRow {
    /// Reads what the kernel says of a process; `None` if there is none.
    pub(super) fn read(process: Pid) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).ok()?;
        // The name before it may have spaces and brackets of its own.
        let (_, rest) = line.rsplit_once(')')?;
        let field = |at: usize| rest.split_whitespace().nth(at)?.parse::<u64>().ok();
        let number = |at: usize| field(at).and_then(|number| i32::try_from(number).ok());
        Some(ProcessRow {
            process,
            parent: number(1)?,
            group: number(2)?,
            started: field(19)?,
            resident: field(21)? * rustix::param::page_size() as u64,
        })
    }

    /// Reads all processes.
    pub(super) fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let processes = numbers.filter_map(Pid::from_raw);
        processes.filter_map(ProcessRow::read).collect()
    }

    /// Returns the memory that it holds now, of which what it shares with others counts as a part: after a fork, pages that nobody wrote
    /// are there once.
    pub(super) fn share(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.process.as_raw_pid());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return self.resident,
            // It has ended.
            Err(_) => return 0,
        };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
        let kibibytes: Option<u64> = kibibytes.and_then(|text| text.trim_end().parse().ok());
        kibibytes.map_or(0, |kibibytes| kibibytes << 10)
    }
}

/// Returns a process with the rest of its process group and all that they started.
pub(super) fn family(all: &[ProcessRow], leader: Pid) -> Vec<&ProcessRow> {
    let leader = leader.as_raw_pid();
    let is_in_group = |row: &&ProcessRow| row.group == leader;
    let mut family: Vec<_> = all.iter().filter(is_in_group).collect();
    let mut known: HashSet<i32> = family.iter().map(|row| row.process.as_raw_pid()).collect();
    loop {
        let is_new = |row: &&ProcessRow| {
            known.contains(&row.parent) && !known.contains(&row.process.as_raw_pid())
        };
        let more: Vec<_> = all.iter().filter(is_new).collect();
        if more.is_empty() {
            return family;
        }
        known.extend(more.iter().map(|row| row.process.as_raw_pid()));
        family.extend(more);
    }
}
