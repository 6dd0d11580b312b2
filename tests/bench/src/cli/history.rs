//! A git repository with as many commits as the store has realizations.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use pylightnix::prelude::Result;

use crate::measure::{said_text, time};

pub(super) struct History {
    root: PathBuf,
    /// The abbreviated hash of the commit in the middle.
    pub(super) middle: String,
}

impl History {
    /// Creates a linear history; each commit changes a file.
    pub(super) fn make(root: &Path, commits: usize) -> Result<Self> {
        let root = root.to_owned();
        time(
            Command::new("git")
                .args(["init", "-q", "-b", "main"])
                .arg(&root),
        )?;
        let stream = root.join("stream");
        let mut out = BufWriter::new(File::create(&stream)?);
        for at in 0..commits {
            let text = format!("{{\"score\": {at}.5}}\n");
            let message = format!("Make stage {at}\n");
            let seconds = 1_700_000_000 + at;
            writeln!(
                out,
                "commit refs/heads/main\ncommitter A <a@b> {seconds} +0000"
            )?;
            writeln!(out, "data {}\n{message}", message.len())?;
            writeln!(
                out,
                "M 100644 inline score.json\ndata {}\n{text}",
                text.len()
            )?;
        }
        out.flush()?;
        let mut history = History {
            root,
            middle: String::new(),
        };
        let import = history
            .git(&["fast-import", "--quiet"])
            .stdin(File::open(&stream)?)
            .status()?;
        if !import.success() {
            return Err("git fast-import failed".into());
        }
        let middle = format!("main~{}", commits / 2);
        history.middle = said_text(&mut history.git(&["rev-parse", "--short", &middle]))?;
        Ok(history)
    }

    /// Returns a git command in the repository, without the user's configuration and without a pager.
    pub(super) fn git(&self, words: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        git.args(["--no-pager", "-C"]).arg(&self.root).args(words);
        git
    }
}
