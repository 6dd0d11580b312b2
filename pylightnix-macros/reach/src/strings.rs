//! What string literals name: files, paths of code, and variables in format strings.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::item::FileId;
use crate::lex::TokenKind;
use crate::names::word;
use crate::tokens::string_value;
use crate::world::World;

/// Stands for what the parameter of a macro gives.
const ANYTHING: char = '\0';

/// Returns the files that the arguments of `include_str!` and its like name: `"a"`, `concat!("a", "b")`,
/// `concat!(env!("OUT_DIR"), "/a")`, or all that fit to `concat!("a/", $name, ".txt")`; `None` if they cannot be computed.
pub(crate) fn files_named(
    world: &World,
    file: FileId,
    arguments: Range<usize>,
) -> Option<Vec<PathBuf>> {
    let tokens = &world.files[file.0].tokens;
    let mut path = String::new();
    let mut at = arguments.start;
    while at < arguments.end {
        let token = tokens[at];
        if token.word(word::ENV) {
            let name = tokens
                .get(at + 3)
                .filter(|token| token.kind == TokenKind::Text)?;
            let name = string_value(world.text(name.name))?;
            path += &variable(world, file, &name)?;
            at = tokens[at + 2].mate.max(at) + 1;
            continue;
        }
        match token.kind {
            TokenKind::Text => path += &string_value(world.text(token.name))?,
            TokenKind::Punct(b'$', _) => path.push(ANYTHING),
            _ => {}
        }
        at += 1;
    }
    if path.is_empty() {
        return None;
    }
    let beside = world.files[file.0].path.parent()?;
    match path.contains(ANYTHING) {
        true => files_that_fit(beside, &path),
        false => Some(vec![beside.join(path)]),
    }
}

/// Returns the files of a folder whose names begin and end as a path does.
fn files_that_fit(beside: &Path, path: &str) -> Option<Vec<PathBuf>> {
    let (start, _) = path.split_once(ANYTHING)?;
    let (_, end) = path.rsplit_once(ANYTHING)?;
    if start.is_empty() && end.is_empty() {
        // A literal in the arguments of the macro, which is looked for there.
        return Some(Vec::new());
    }
    if end.contains('/') {
        return None;
    }
    let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
    let entries = fs::read_dir(beside.join(folder)).ok()?;
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start) && name.ends_with(end)) && path.is_file()
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(fits);
    found.sort();
    Some(found)
}

/// Returns a variable as the compilation of the package of this file sees it.
fn variable(world: &World, file: FileId, name: &str) -> Option<String> {
    let package = &world.packages[world.files[file.0].package.0];
    match name {
        "CARGO_MANIFEST_DIR" => Some(package.folder.to_string_lossy().into_owned()),
        name => (world.variable)(name),
    }
}

/// Returns the words of the paths of code in a string, as in `serde(with = "module::path")` or `serde(from = "Raw<u32>")`.
pub(crate) fn code_paths(text: &str) -> Vec<Vec<&str>> {
    let is_path = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let paths = text.split(|char: char| !is_path(char));
    let mut found = Vec::new();
    for path in paths {
        let words: Vec<&str> = path.split(':').filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            found.push(words);
        }
    }
    found
}

/// Returns the variables that a format string names: `"{name}"`, `"{:width$}"`, `"{x:.digits$}"`.
pub(crate) fn inlined(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut parts = text.split('{').skip(1);
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // `{{` is a brace; `{{{x}` is one before an argument.
            parts.next();
            continue;
        }
        let argument = part.split('}').next().unwrap_or(part);
        let (name, format) = argument.split_once(':').unwrap_or((argument, ""));
        names.push(name.trim());
        // `width$` and `precision$`
        for before in format.split('$').take(format.matches('$').count()) {
            let start = before.rfind(|char: char| !(char.is_alphanumeric() || char == '_'));
            names.push(&before[start.map_or(0, |at| at + 1)..]);
        }
    }
    names.retain(|name| {
        let starts = name.starts_with(|char: char| char.is_alphabetic() || char == '_');
        starts
            && name
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_')
    });
    names
}
