//! Reads files of cases: packages with one change each.

/// The cases of a file, and the files that each of them has beside its own.
pub struct Suite {
    pub shared: Vec<File>,
    pub cases: Vec<Case>,
}

/// A file with its changes marked as `«before¦after»`.
pub struct File {
    pub name: String,
    pub text: String,
}

pub struct Case {
    pub name: String,
    pub files: Vec<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Before,
    After,
}

/// Reads the cases of a file.
pub fn suite(text: &str) -> Suite {
    let mut cases: Vec<Case> = text.split("\n=== ").skip(1).map(case).collect();
    let shared = match cases.first() {
        Some(first) if first.name == "shared" => cases.remove(0).files,
        _ => Vec::new(),
    };
    Suite { shared, cases }
}

fn case(text: &str) -> Case {
    let (name, files) = text.split_once('\n').unwrap_or((text, ""));
    let files = files.strip_prefix("--- ").unwrap_or(files).split("\n--- ");
    let file = |text: &str| {
        let (name, text) = text.split_once('\n').unwrap_or((text, ""));
        File {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    };
    Case {
        name: name.to_owned(),
        files: files.map(file).collect(),
    }
}

impl Case {
    /// Whether the change has to count.
    pub fn counts(&self) -> bool {
        !self.name.starts_with("NO_")
    }

    /// What tells Cargo how the case runs, if it is a package of its own.
    pub fn run(&self) -> Option<Vec<&str>> {
        let file = self.files.iter().find(|file| file.name == "run")?;
        Some(file.text.split_whitespace().collect())
    }

    /// The files that are written.
    pub fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.name != "run")
    }
}

impl File {
    /// Returns whether the file has a public function of this name.
    pub fn has(&self, function: &str) -> bool {
        let head = format!("fn {function}");
        let mut behind = self.text.split(&head).skip(1);
        behind.any(|rest| rest.starts_with(['(', '<']))
    }

    /// Returns the text before or after the changes.
    pub fn version(&self, version: Version) -> String {
        self.with_changes(|_| (version, 0))
    }

    /// Returns the text of a shared file, in which a change has the name of its case behind it.
    pub fn shared_version(&self, version: impl Fn(&str) -> Version) -> String {
        self.with_changes(|behind| {
            let end = behind.find(|char: char| !(char.is_alphanumeric() || char == '_'));
            let name = &behind[..end.unwrap_or(behind.len())];
            (version(name), name.len())
        })
    }

    /// Replaces the changes. `version` is given what is behind a change, and says how much of that goes with it.
    fn with_changes(&self, version: impl Fn(&str) -> (Version, usize)) -> String {
        let mut result = String::new();
        let mut rest = self.text.as_str();
        while let Some((before, marked)) = rest.split_once('«') {
            result += before;
            let (change, behind) = marked.split_once('»').unwrap_or((marked, ""));
            let (before, after) = change.split_once('¦').unwrap_or((change, ""));
            let (version, skipped) = version(behind);
            result += match version {
                Version::Before => before,
                Version::After => after,
            };
            rest = &behind[skipped..];
        }
        result += rest;
        result.replace('␍', "\r").replace('␂', "\u{feff}")
    }
}
