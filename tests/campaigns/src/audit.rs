//! Audits a trace of system calls: everything that became visible or was acknowledged had to be synced before.
//!
//! A power cut shows only what the tested file system happens to lose: on ext4 and xfs, one fsync commits the names in all
//! folders. Another file system may lose every name and every byte that was not synced itself, so the audit requires all of
//! these syncs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The system calls that a trace for an audit must contain, with `strace -f -y`.
pub const TRACED: &str = "trace=%file,write,pwrite64,writev,ftruncate,fallocate,fchmod,sendfile,copy_file_range,fsync,fdatasync,flock,clone,clone3";

/// An injected fault that makes starting threads fail: the library then works on one thread, always in the same order.
pub const ONE_THREAD: &str = "inject=clone,clone3:error=EAGAIN";

/// Unsynced changes: files by their bytes, folders by their names.
struct Unsynced {
    own: BTreeSet<String>,
    /// Names in folders that other processes may have created and this one has seen, each with whether it was synced since.
    others: BTreeMap<(String, String), bool>,
    /// Files that identify their folder as a store.
    marks: BTreeSet<String>,
    /// Folders that the process created, and the files that it created in them.
    made: BTreeSet<String>,
}

/// The folders where changes have to be synced before they are acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Folders in which every entry has to be synced before it appears.
    pub visible: Vec<String>,
    /// Folders in which only the names have to be synced.
    pub names: Vec<String>,
    /// Folders in which another process may have created an entry without syncing it: a name that this process has seen has
    /// to be synced before it is acknowledged.
    pub others: Vec<String>,
    /// Folders of derivations: a new realization may depend on all earlier ones.
    pub objects: Vec<String>,
    /// Files that identify a folder as a store: without them, nothing else may be in it.
    pub marks: Vec<String>,
}

/// Parses a trace, and returns what became visible or was acknowledged before it was synced.
#[must_use]
pub fn audit(trace: &str, places: &Places) -> Vec<String> {
    let mut unsynced = Unsynced {
        own: BTreeSet::new(),
        others: BTreeMap::new(),
        marks: BTreeSet::new(),
        made: BTreeSet::new(),
    };
    let mut found = Vec::new();
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, said)) = line.split_once(' ') else {
            continue;
        };
        let said = said.trim_start();
        let call = if let Some((begun, _)) = said.split_once(" <unfinished ...>") {
            unfinished.insert(thread, begun);
            continue;
        } else if said.starts_with("<... ") {
            let begun = unfinished.remove(thread).unwrap_or_default();
            let rest = said.split_once(" resumed>").map_or("", |(_, rest)| rest);
            format!("{begun}{rest}")
        } else {
            said.to_owned()
        };
        if let Some(call) = Call::parse(&call) {
            unsynced.take(&call, places, &mut found);
        }
    }
    found
}

/// Returns the fsyncs in a trace, each with its number in its thread and its path; without those of drafts that are never
/// published.
#[must_use]
pub fn fsyncs(trace: &str, places: &Places) -> BTreeMap<usize, String> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut moved = Vec::new();
    for (thread, said) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let said = said.trim_start().replace(" <unfinished ...>", ") = 0");
        let Some(call) = Call::parse(&said) else {
            continue;
        };
        match (call.name, call.paths.as_slice()) {
            ("fsync", [path]) => {
                let number = numbers.entry(thread).or_default();
                *number += 1;
                all.push((*number, path.clone()));
            }
            ("rename" | "renameat" | "renameat2", [from, to])
                if is_in(to, &places.visible) || places.names.contains(&parent(to)) =>
            {
                moved.push(from.clone());
            }
            _ => {}
        }
    }
    let counts = |path: &str| {
        is_in(path, &places.visible)
            || places.names.iter().any(|name| name == path)
            || is_in(path, &moved)
    };
    all.retain(|(_, path)| counts(path));
    all.into_iter().collect()
}

/// A successful system call.
struct Call<'a> {
    name: &'a str,
    /// The absolute paths of the files.
    paths: Vec<String>,
    arguments: &'a str,
}

impl<'a> Call<'a> {
    /// Returns `None` for calls that failed or were skipped, and for other lines.
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if result.starts_with('-') || result.starts_with('?') || result.contains("(INJECTED)") {
            return None;
        }
        let mut paths = Vec::new();
        let mut folder: Option<&str> = None;
        let mut left = arguments;
        // The written text is not a path.
        let takes_paths = !matches!(name, "write" | "pwrite64" | "writev");
        // Descriptors are `4</path>`, paths are quoted; a relative path is below the folder before it.
        while let Some(at) = left.find(['<', '"']) {
            let close = if left[at..].starts_with('<') {
                '>'
            } else {
                '"'
            };
            let inner = &left[at + 1..];
            let Some(end) = inner.find(close) else { break };
            let text = &inner[..end];
            left = &inner[end + 1..];
            if close == '>' {
                if let Some(before) = folder.replace(text) {
                    paths.push(before.to_owned());
                }
            } else if !takes_paths {
                break;
            } else if text.starts_with('/') {
                folder = None;
                paths.push(text.to_owned());
            } else if let Some(folder) = folder.take() {
                paths.push(if name.ends_with("at") || name.ends_with("at2") {
                    format!("{folder}/{text}")
                } else {
                    folder.to_owned()
                });
            }
        }
        paths.extend(folder.map(str::to_owned));
        Some(Call {
            name,
            paths,
            arguments,
        })
    }
}

impl Unsynced {
    fn take(&mut self, call: &Call<'_>, places: &Places, found: &mut Vec<String>) {
        let visible = &places.visible;
        let Some(first) = call.paths.first() else {
            return;
        };
        self.look(call, places);
        match call.name {
            "fsync" | "fdatasync" => {
                self.own.remove(first);
                self.marks.retain(|mark| parent(mark) != *first);
                for ((folder, _), is_synced) in &mut self.others {
                    *is_synced |= folder == first;
                }
            }
            "write" if call.arguments.starts_with("1<") => {
                let told = call.arguments.contains("\"ack ") || call.arguments.contains("\"done");
                if told {
                    for path in self
                        .own
                        .iter()
                        .filter(|path| is_in(path, visible) || places.names.contains(path))
                    {
                        found.push(format!("it was told before {path} was synced"));
                    }
                    for ((folder, name), is_synced) in &self.others {
                        if !is_synced && call.arguments.contains(name) {
                            found.push(format!(
                                "another's {name} in {folder} was told before it was synced"
                            ));
                        }
                    }
                }
            }
            "write" | "pwrite64" | "writev" | "ftruncate" | "fallocate" | "fchmod" | "chmod"
            | "copy_file_range" => {
                self.own.insert(first.clone());
            }
            "sendfile" => {
                self.own.insert(first.clone());
            }
            "openat" | "open" | "creat" if call.arguments.contains("O_EXCL") => {
                self.own.insert(first.clone());
                self.own.insert(parent(first));
            }
            "openat"
                if call.arguments.contains("O_CREAT")
                    && self.made.contains(&parent(first))
                    && self.made.insert(first.clone()) =>
            {
                self.own.insert(parent(first));
            }
            // An empty folder is only a name; later changes make it unsynced.
            "mkdir" | "mkdirat" => {
                for mark in self
                    .marks
                    .iter()
                    .filter(|mark| parent(mark) == parent(first))
                {
                    found.push(format!("{first} was made before {mark} was synced"));
                }
                self.made.insert(first.clone());
                self.own.insert(parent(first));
            }
            "symlink" | "symlinkat" | "link" | "linkat" => {
                if let Some(link) = call.paths.last() {
                    self.own.insert(parent(link));
                }
            }
            "unlink" | "unlinkat" | "rmdir" => self.forget(first),
            "rename" | "renameat" | "renameat2" => {
                let [from, to] = call.paths.as_slice() else {
                    found.push(format!("not understood: {}({}", call.name, call.arguments));
                    return;
                };
                let exchanged = call.arguments.contains("RENAME_EXCHANGE");
                if !is_in(from, visible) && is_in(to, visible) {
                    for path in self.own.iter().filter(|path| is_at_or_in(path, from)) {
                        found.push(format!("{to} could be seen before {path} was synced"));
                    }
                }
                if places.objects.contains(&parent(&parent(to))) && !is_in(from, visible) {
                    for path in self.own.iter().filter(|path| is_in(path, visible)) {
                        found.push(format!("{to} could be seen before {path} was synced"));
                    }
                }
                // The exchanged folder disappears from view: only what comes in counts.
                let moved: Vec<String> = (self.own.iter())
                    .filter(|path| is_at_or_in(path, from))
                    .cloned()
                    .collect();
                for path in moved {
                    self.own.remove(&path);
                    if !exchanged {
                        self.own.insert(format!("{to}{}", &path[from.len()..]));
                    }
                }
                self.own.insert(parent(to));
                if places.marks.contains(to) {
                    self.marks.insert(to.clone());
                }
            }
            _ => {}
        }
    }

    /// Notes the names of other processes that a call sees.
    fn look(&mut self, call: &Call<'_>, places: &Places) {
        for folder in &places.others {
            for path in &call.paths {
                let name = path
                    .strip_prefix(folder.as_str())
                    .and_then(|below| below.strip_prefix('/'))
                    .and_then(|below| below.split('/').next());
                if let Some(name) = name {
                    let name = (folder.clone(), name.to_owned());
                    self.others.entry(name).or_insert(false);
                }
            }
        }
    }

    fn forget(&mut self, gone: &str) {
        self.own.retain(|path| !is_at_or_in(path, gone));
    }
}

fn parent(path: &str) -> String {
    path.rsplit_once('/')
        .map_or("", |(parent, _)| parent)
        .to_owned()
}

fn is_at_or_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_in(path: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| is_at_or_in(path, folder))
}
