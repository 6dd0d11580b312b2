//! The files that are ingested, packed and copied.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pylightnix::config::ConfigJson;
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};

use crate::measure::time;

/// The files of one stage.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) files: u64,
    /// The size of each file.
    pub(super) bytes: u64,
    /// Whether the files are compressible text rather than random bytes.
    pub(super) text: bool,
}

/// All measured loads.
pub(super) const LOADS: &[Load] = &[
    Load {
        name: "large",
        what: "one file of 1 GiB",
        files: 1,
        bytes: 1 << 30,
        text: false,
    },
    Load {
        name: "small",
        what: "20,000 files of 4 KiB",
        files: 20_000,
        bytes: 4 << 10,
        text: false,
    },
    Load {
        name: "large-text",
        what: "one text of 256 MiB",
        files: 1,
        bytes: 256 << 20,
        text: true,
    },
    Load {
        name: "small-text",
        what: "20,000 texts of 4 KiB",
        files: 20_000,
        bytes: 4 << 10,
        text: true,
    },
];

impl Load {
    pub(super) fn named(name: &str) -> Result<&'static Load> {
        let found = LOADS.iter().find(|load| load.name == name);
        found.ok_or_else(|| format!("no load `{name}`").into())
    }

    /// Returns whether the load has so few files that its folder can be removed between measurements: see
    /// [`Options::folder`](crate::options::Options::folder).
    pub(super) fn has_few_files(&self) -> bool {
        self.files < 1_000
    }

    /// Writes the files into an existing folder.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        for at in 0..self.files {
            let path = folder.join(format!("{at:05}"));
            match self.text {
                true => write_text(&path, at, self.bytes)?,
                false => drop(crate::cold::write(&path, at, self.bytes)?),
            }
        }
        Ok(())
    }

    /// Creates a store with a realization of these files.
    pub(super) fn fill(&self, root: &Path) -> Result<()> {
        let store = Store::open(root)?.with_durability(Durability::None);
        let mut draft = store.plumbing().draft()?;
        self.write(draft.out())?;
        let text = format!(
            "{{\n    \"name\": \"load\",\n    \"of\": \"{}\"\n}}",
            self.name
        );
        let config = ConfigJson::from_json(&text)?;
        let build = BuildRecord::now(BuildKind::Build);
        draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
        // Write dirty pages back now, so that this does not happen during other measurements.
        rustix::fs::sync();
        Ok(())
    }
}

/// The amount of text that is generated and then repeated: much more than the window of deflate.
const PIECE: usize = 1 << 20;

/// Writes lines of words, a few of which are frequent, and numbers.
fn write_text(path: &Path, number: u64, bytes: u64) -> io::Result<()> {
    let mut text = Vec::new();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    // An xorshift generator (Marsaglia 2003).
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) % below
    };
    let length = bytes.min(PIECE as u64) as usize;
    while text.len() < length {
        for _ in 0..next(12) + 4 {
            let word = next(2_000).min(next(2_000)).min(next(2_000));
            push_word(&mut text, word);
            text.push(b' ');
        }
        writeln!(text, "{}.{:02}", next(1_000), next(100))?;
    }
    text.truncate(length);
    let mut file = File::create_new(path)?;
    let mut left = bytes;
    while left > 0 {
        let part = left.min(length as u64);
        file.write_all(&text[..part as usize])?;
        left -= part;
    }
    Ok(())
}

/// Appends the word with this number.
fn push_word(text: &mut Vec<u8>, word: u64) {
    let mut letters = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2 + (letters >> 60) / 2 {
        text.push(b'a' + (letters % 26) as u8);
        letters /= 26;
    }
}

/// Makes a read-only folder removable, and removes it.
pub(super) fn remove(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        crate::cold::make_removable(folder)?;
        fs::remove_dir_all(folder)?;
    } else if folder.exists() {
        fs::remove_file(folder)?;
    }
    Ok(())
}

/// Measures a command that writes into a new folder, which is passed to `make`; removes folders with few files afterwards.
pub(super) fn into_new(
    folder: &Path,
    load: &Load,
    name: &str,
    make: impl FnOnce(&Path) -> Result<Command>,
) -> Result<Duration> {
    let target = folder.join(format!("{}-{name}", load.name));
    let time = time(&mut make(&target)?)?;
    if load.has_few_files() {
        remove(&target)?;
    }
    Ok(time)
}
