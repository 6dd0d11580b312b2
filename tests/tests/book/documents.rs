//! Checks of the documents at the top level: links lead to existing files, and named files exist and define the functions
//! and types that the documents attribute to them.

use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag};

/// The folders to which a named file may be relative: the top level, or the library.
const BELOW: [&str; 3] = ["", "pylightnix/src", "tests/tests"];

/// Returns all faults of the documents in a folder, one per line.
pub(crate) fn faults(root: &Path, names: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for name in names {
        let Ok(text) = std::fs::read_to_string(root.join(name)) else {
            faults.push(format!("{name}: there is no such document"));
            continue;
        };
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !path.is_empty() && !root.join(path).exists() {
                faults.push(format!("{name}: `{link}` links to no file"));
            }
        }
        let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)));
        for (item, file) in calls(&text).chain(types(&text)) {
            let mut sources = BELOW
                .iter()
                .filter_map(|below| std::fs::read_to_string(root.join(below).join(file)).ok());
            if !sources.any(|source| defines(&source, item)) {
                faults.push(format!("{name}: `{item}` is not in `{file}`"));
            }
        }
        // The text after `https:` is an address.
        let files =
            named.filter(|word| word.ends_with(".rs") && *word != ".rs" && !word.starts_with("//"));
        for file in files {
            if !BELOW
                .iter()
                .any(|below| root.join(below).join(file).is_file())
            {
                faults.push(format!("{name}: there is no file `{file}`"));
            }
        }
    }
    faults
}

fn links(text: &str) -> Vec<String> {
    let links = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    links.collect()
}

/// Iterates over the calls in a diagram with their files: lines `Type::function, function   file.rs`, in a block of text.
fn calls(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = text.split("```text\n").skip(1);
    let lines = blocks.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines());
    let calls = lines.filter_map(|line| {
        let (functions, rest) = line.trim().split_once("  ")?;
        let file = rest.split_whitespace().next()?;
        file.ends_with(".rs").then_some((functions, file))
    });
    calls.flat_map(|(functions, file)| functions.split(", ").map(move |one| (one, file)))
}

/// Iterates over the types that are named with their files: "`Type`, `file.rs`".
fn types(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    let pairs = (0..parts.len().saturating_sub(2)).filter_map(move |at| {
        let (item, file) = (parts[at], parts[at + 2]);
        let is_type = item.starts_with(|c: char| c.is_ascii_uppercase())
            && item.chars().all(|c| c.is_ascii_alphanumeric());
        (is_type && parts[at + 1] == ", " && file.ends_with(".rs")).then_some((item, file))
    });
    pairs.collect::<Vec<_>>().into_iter()
}

/// Returns whether a source defines a type or a function; a function may be given as `Type::function`.
fn defines(source: &str, item: &str) -> bool {
    let name = item.rsplit("::").next().unwrap_or(item);
    ["fn", "struct", "enum", "trait", "type"]
        .iter()
        .any(|keyword| {
            let begin = format!("{keyword} {name}");
            source.match_indices(&begin).any(|(at, _)| {
                let next = source[at + begin.len()..].chars().next();
                !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
            })
        })
}
