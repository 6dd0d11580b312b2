//! What string literals name: files, paths of code, and variables in format strings.

use std::ops::Range;
use std::path::PathBuf;

use crate::item::FileId;
use crate::lex::TokenKind;
use crate::names::word;
use crate::tokens::string_value;
use crate::world::World;

/// Returns the file that the arguments of `include_str!` and its like name: `"a"`, `concat!("a", "b")` or
/// `concat!(env!("OUT_DIR"), "/a")`; `None` if they cannot be computed.
pub(crate) fn file_named(world: &World, file: FileId, arguments: Range<usize>) -> Option<PathBuf> {
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
            at = tokens[at + 2].mate + 1;
            continue;
        }
        match token.kind {
            TokenKind::Text => path += &string_value(world.text(token.name))?,
            TokenKind::Punct(b'$', _) => return None,
            _ => {}
        }
        at += 1;
    }
    if path.is_empty() {
        return None;
    }
    Some(world.files[file.0].path.parent()?.join(path))
}

/// Returns a variable as the compilation of the package of this file sees it.
fn variable(world: &World, file: FileId, name: &str) -> Option<String> {
    let package = &world.packages[world.files[file.0].package.0];
    match name {
        "CARGO_MANIFEST_DIR" => Some(package.folder.to_string_lossy().into_owned()),
        name => (world.variable)(name),
    }
}

/// Returns the words of a string that may be a path of code, as in `serde(with = "module::path")`.
pub(crate) fn code_path(text: &str) -> Option<Vec<&str>> {
    let is_path = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    (!text.is_empty() && text.chars().all(is_path))
        .then(|| text.split("::").filter(|part| !part.is_empty()).collect())
}

/// Returns the variables that a format string names: `"{name}"`, `"{:width$}"`, `"{x:.digits$}"`.
pub(crate) fn inlined(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in text.split('{').skip(1) {
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
