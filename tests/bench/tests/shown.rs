//! The figures in the README and the book are those that the program printed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;

/// More rows would hide the important ones.
const MOST: usize = 5;

#[test]
fn the_book_shows_the_table_and_the_readme_some_of_its_rows() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(here.join(path)).unwrap();
    let page = read("../../book/src/speed.md");
    assert!(page.contains("{{#include ../../tests/bench/table.md}}"));

    let table = read("table.md");
    let (head, rows) = table
        .trim()
        .split_at(table.match_indices('\n').nth(1).unwrap().0 + 1);
    let readme = read("../../README.md");
    let (_, shown) = readme
        .split_once(head)
        .expect("README.md has a table with the head of tests/bench/table.md");
    let shown: Vec<_> = shown
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(
        (1..=MOST).contains(&shown.len()),
        "README.md shows {} rows",
        shown.len()
    );
    for row in shown {
        assert!(
            rows.lines().any(|other| other == row),
            "README.md has another row than tests/bench/table.md: {row}"
        );
    }
}
