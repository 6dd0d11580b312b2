//! Compares what an example prints with the text that the book shows.
//!
//! The text lies beside the example, in `shown/<name>.txt`, and the book includes it. It is written by the example itself:
//! `SHOWN=write cargo test -p <example>` writes all of its texts again.

#![allow(clippy::panic, reason = "a helper of tests fails them by panicking")]

use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

/// An example that runs in a temporary folder of its own.
#[derive(Debug)]
pub struct Example {
    package: PathBuf,
    folder: tempfile::TempDir,
    varying: Vec<(Regex, String)>,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Example {
    /// An example of the package whose `CARGO_MANIFEST_DIR` is given.
    pub fn of(package: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Example {
            package: package.into(),
            folder,
            varying: Vec::new(),
            variables: Vec::new(),
        }
        .varies(
            "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
            "<uuid>",
        )
    }

    /// Says what differs from run to run: what matches is shown as `placeholder`, which can name groups (`$1`).
    pub fn varies(mut self, pattern: &str, placeholder: &str) -> Self {
        let pattern = Regex::new(pattern).expect("the pattern is a regular expression");
        self.varying.push((pattern, placeholder.to_owned()));
        self
    }

    /// Says that the stages named so give another result each time, so that their references differ too. Lists of
    /// references are then sorted by what is shown.
    pub fn results_vary(self, stages: &str) -> Self {
        self.varies(
            &format!("rref:[0-9a-f]{{32}}-([0-9a-f]{{32}}-(?:{stages}))"),
            "rref:<hash>-$1",
        )
    }

    /// Sets a variable for the programs of the example.
    pub fn with(mut self, name: &'static str, value: &Path) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The folder that the example runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a program of the example prints, to stdout and stderr. It fails, and only then, with an error.
    #[track_caller]
    pub fn output(&self, program: &str, arguments: &[&str]) -> String {
        let mut both = tempfile::tempfile().expect("a temporary file can be made");
        // One file for both, so that they are in the order in which a person would see them.
        let copy = || both.try_clone().expect("the file can be shared");
        let status = Command::new(program)
            .args(arguments)
            .current_dir(self.folder())
            .env_remove("RUST_BACKTRACE")
            .env_remove("PYLIGHTNIX_ROOT")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(copy())
            .stderr(copy())
            .status()
            .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        let mut text = String::new();
        both.rewind()
            .and_then(|()| both.read_to_string(&mut text))
            .expect("what it printed can be read");
        assert_eq!(status.success(), !text.contains("Error: "), "{text}");
        text
    }

    /// Runs a program of the example. What it prints has to be what the book shows as `name`.
    #[track_caller]
    pub fn shows(&self, name: &str, program: &str, arguments: &[&str]) -> &Self {
        let text = self.output(program, arguments);
        self.compare(name, &text)
    }

    /// Every folder and file below `path`, a path in the example's folder, has to be what the book shows as `name`.
    #[track_caller]
    pub fn shows_tree(&self, name: &str, path: &str) -> &Self {
        let mut text = format!("{path}/\n");
        list(&self.folder().join(path), 1, &mut text);
        self.compare(name, &text)
    }

    /// The first file in the example's folder whose path contains both texts.
    #[track_caller]
    pub fn find(&self, one: &str, other: &str) -> String {
        let mut folders = vec![self.folder().to_owned()];
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                let below = path.strip_prefix(self.folder()).unwrap_or(&path);
                let below = below.to_string_lossy();
                if path.is_dir() {
                    folders.push(path);
                } else if below.contains(one) && below.contains(other) {
                    return below.into_owned();
                }
            }
        }
        panic!("no path in the example's folder contains `{one}` and `{other}`");
    }

    /// The content of a file, a path in the example's folder, has to be what the book shows as `name`.
    #[track_caller]
    pub fn shows_file(&self, name: &str, path: &str) -> &Self {
        let path = self.folder().join(path);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.compare(name, &text)
    }

    /// A text that the test got has to be what the book shows as `name`.
    #[track_caller]
    pub fn compare(&self, name: &str, text: &str) -> &Self {
        let got = self.normal(text);
        let path = self.package.join("shown").join(format!("{name}.txt"));
        if std::env::var("SHOWN").is_ok_and(|what| what == "write") {
            fs::create_dir_all(self.package.join("shown")).expect("the folder can be made");
            fs::write(&path, &got).expect("the text can be written");
            return self;
        }
        let shown = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shown == got,
            "{} is not what the example prints; if that is right, run again with SHOWN=write\n--- the book shows\n\
             {shown}--- the example prints\n{got}",
            path.display()
        );
        self
    }

    /// The text with placeholders for what varies.
    fn normal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // On some systems the temporary folder is reached by a link.
        let real = self.folder().canonicalize().unwrap_or_default();
        for folder in [real.as_path(), self.folder()] {
            text = text.replace(&*folder.to_string_lossy(), "/home/you");
        }
        for (pattern, placeholder) in &self.varying {
            text = pattern
                .replace_all(&text, placeholder.as_str())
                .into_owned();
        }
        sort_references(&text)
    }
}

/// Sorts neighbouring lines that are references: their order says nothing once hashes are placeholders.
fn sort_references(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_reference = |line: &&str| line.starts_with("rref:");
    for block in lines.chunk_by_mut(|one, two| is_reference(one) == is_reference(two)) {
        if block.first().is_some_and(is_reference)
            && block.iter().any(|line| line.contains("<hash>"))
        {
            block.sort_unstable();
        }
    }
    lines.concat()
}

fn list(folder: &Path, depth: usize, text: &mut String) {
    for entry in entries(folder) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        *text += &"  ".repeat(depth);
        *text += &name;
        if entry.is_dir() {
            *text += "/\n";
            list(&entry, depth + 1, text);
        } else {
            *text += "\n";
        }
    }
}

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    entries.sort();
    entries
}
