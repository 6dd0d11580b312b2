//! Code and output in the book come from examples.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

use crate::check::Source;
use crate::includes::Include;

/// The languages of blocks that may be written by hand: commands, and lines of a Cargo.toml.
const BY_HAND: [&str; 2] = ["sh", "toml"];

pub(crate) fn faults(source: &Source, book: &Path, faults: &mut Vec<String>) {
    let mut events = Parser::new(&source.text).into_offset_iter();
    while let Some((event, range)) = events.next() {
        let Event::Start(Tag::CodeBlock(kind)) = event else {
            continue;
        };
        let line = source.text[..range.start].lines().count() + 1;
        let mut fault =
            |what: &str| faults.push(format!("{}:{line}: the code block {what}", source.name));
        let CodeBlockKind::Fenced(info) = kind else {
            fault("is indented: fence it");
            continue;
        };
        let language = info.split([',', ' ']).next().unwrap_or_default();
        if language.is_empty() {
            fault("does not say its language");
        }
        if BY_HAND.contains(&language) {
            continue;
        }
        let text: String = events
            .by_ref()
            .map_while(|(event, _)| match event {
                Event::Text(text) => Some(text.into_string()),
                _ => None,
            })
            .collect();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let inside = line
                .trim()
                .strip_prefix("{{#")
                .and_then(|line| line.strip_suffix("}}"));
            match inside.and_then(|inside| Include::parse(inside, source)) {
                None => fault("is typed by hand: include it from an example"),
                Some(include) if language == "rust" && !is_compiled(&include.path, book) => {
                    fault("shows Rust that is not compiled: include it from `examples` or `tests`");
                }
                Some(_) => {}
            }
        }
    }
}

/// The folders of Rust code that the book may include: compiled code, and the tested expansions of macros.
const COMPILED: [&str; 3] = ["examples", "tests", "pylightnix-macros/src/expansions"];

/// Returns whether a test would detect an error in this Rust file.
fn is_compiled(path: &Path, book: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return true; // It is missing, which is told once.
    };
    let root = book.parent().unwrap().canonicalize().unwrap();
    path.extension().is_some_and(|extension| extension == "rs")
        && COMPILED
            .iter()
            .any(|folder| path.starts_with(root.join(folder)))
}
