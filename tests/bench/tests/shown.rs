//! What the README and the book show of the figures is what the program printed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;

#[test]
fn the_readme_shows_the_table() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(here.join("table.md")).unwrap();
    let readme = fs::read_to_string(here.join("../../README.md")).unwrap();
    assert!(
        readme.contains(table.trim()),
        "README.md has another table than tests/bench/table.md"
    );
    let page = fs::read_to_string(here.join("../../book/src/speed.md")).unwrap();
    assert!(page.contains("{{#include ../../tests/bench/table.md}}"));
}
