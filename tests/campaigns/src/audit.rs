//! Whether what can be seen, and what was told, was on the disk before: read off a trace of system calls.
//!
//! A power cut shows only what the file system at hand happens to lose: on ext4 and xfs one fsync commits the names of all
//! folders. Another one may lose every name and every byte that was not itself synced; so this asks for that.

use std::collections::{BTreeSet, HashMap};

/// The calls that a trace for an audit has to show, with `strace -f -y`.
pub const TRACED: &str = "trace=%file,write,pwrite64,writev,ftruncate,fallocate,fchmod,sendfile,copy_file_range,fsync,fdatasync,flock";

/// What was changed and not synced yet: files by their bytes, folders by their names.
#[derive(Default)]
struct Unsynced(BTreeSet<String>);

/// Reads a trace. `visible` are the folders where things are seen, which were there before: there nothing may come
/// that is not synced, and nothing may be told while something in them, or a name in them, is not.
#[must_use]
pub fn audit(trace: &str, visible: &[String]) -> Vec<String> {
    let mut unsynced = Unsynced::default();
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
            unsynced.take(&call, visible, &mut found);
        }
    }
    found
}

/// A call that did what it was to do.
struct Call<'a> {
    name: &'a str,
    /// The files that it is about, from the root on.
    paths: Vec<String>,
    arguments: &'a str,
}

impl<'a> Call<'a> {
    /// `None` for what failed, was left out, or is no call.
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if result.starts_with('-') || result.starts_with('?') || result.contains("(INJECTED)") {
            return None;
        }
        let mut paths = Vec::new();
        let mut folder: Option<&str> = None;
        let mut left = arguments;
        // Descriptors are `4</path>`, paths are quoted; one that does not begin at the root is below the folder before.
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
    fn take(&mut self, call: &Call<'_>, visible: &[String], found: &mut Vec<String>) {
        let Some(first) = call.paths.first() else {
            return;
        };
        match call.name {
            "fsync" | "fdatasync" => {
                self.0.remove(first);
            }
            "write" if call.arguments.starts_with("1<") => {
                let told = call.arguments.contains("\"ack ") || call.arguments.contains("\"done");
                if told {
                    for path in self.0.iter().filter(|path| is_in(path, visible)) {
                        found.push(format!("it was told before {path} was synced"));
                    }
                }
            }
            "write" | "pwrite64" | "writev" | "ftruncate" | "fallocate" | "fchmod" | "chmod"
            | "copy_file_range" => {
                self.0.insert(first.clone());
            }
            "sendfile" => {
                self.0.insert(first.clone());
            }
            "openat" | "open" | "creat" if call.arguments.contains("O_EXCL") => {
                self.0.insert(first.clone());
                self.0.insert(parent(first));
            }
            "mkdir" | "mkdirat" => {
                self.0.insert(first.clone());
                self.0.insert(parent(first));
            }
            "symlink" | "symlinkat" => {
                if let Some(link) = call.paths.last() {
                    self.0.insert(parent(link));
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
                    for path in self.0.iter().filter(|path| is_at_or_in(path, from)) {
                        found.push(format!("{to} could be seen before {path} was synced"));
                    }
                }
                // What is exchanged goes out of sight: only what comes in counts.
                let moved: Vec<String> = (self.0.iter())
                    .filter(|path| is_at_or_in(path, from))
                    .cloned()
                    .collect();
                for path in moved {
                    self.0.remove(&path);
                    if !exchanged {
                        self.0.insert(format!("{to}{}", &path[from.len()..]));
                    }
                }
                self.0.insert(parent(to));
            }
            _ => {}
        }
    }

    fn forget(&mut self, gone: &str) {
        self.0.retain(|path| !is_at_or_in(path, gone));
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
