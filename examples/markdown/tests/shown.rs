//! What the book shows of this example.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_markdown");

fn edit(example: &Example, from: &str, to: &str) {
    let path = example.folder().join("report.md");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    example
        .shows("first", PROGRAM, &[])
        .shows_file("report", "report.md")
        .shows("again", PROGRAM, &[])
        .shows_file("report", "report.md");
    // Only the second Python block, not the first, which it uses, and not the shell blocks.
    edit(&example, "year[-1] / year[-2]", "year[-1] / year[-2] - 1");
    example.shows("changed", PROGRAM, &["report.md"]);
    let text = fs::read_to_string(example.folder().join("report.md")).unwrap();
    assert!(text.contains("\n0.617"), "{text}");
    // A block before others: these run too.
    edit(&example, "rabbits(12)", "rabbits(13)");
    assert_eq!(
        example.output(PROGRAM, &[]),
        "report.md: 3 of 4 blocks are programs\nline 5 runs\nline 22 runs\n"
    );
}

#[test]
fn a_block_that_fails_leaves_the_document_as_it_is() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    let text = "```sh\necho a\n```\n\n```sh\necho b\nfalse\n```\n";
    fs::write(example.folder().join("a.md"), text).unwrap();
    let said = example.output(PROGRAM, &["a.md"]);
    assert!(
        said.contains("line 1 runs\nline 5 runs\nline 5 fails\n"),
        "{said}"
    );
    let path = example.folder().join("a.md");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Results of blocks that ran are kept.
    fs::write(&path, text.replace("false", "")).unwrap();
    let said = example.output(PROGRAM, &["a.md"]);
    assert!(
        !said.contains("line 1 runs") && said.contains("line 5 runs"),
        "{said}"
    );
}

#[test]
fn a_language_can_be_given() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    let text = "```calc\nn=2\n```\n\n```calc\necho $((n * 21))\n```\n";
    fs::write(example.folder().join("a.md"), text).unwrap();
    let language = ["a.md", "--language", "calc", "sh -eu", "echo MARK"];
    example.output(PROGRAM, &language);
    let text = fs::read_to_string(example.folder().join("a.md")).unwrap();
    assert_eq!(
        text,
        "```calc\nn=2\n```\n\n```calc\necho $((n * 21))\n```\n\n```output\n42\n```\n"
    );
}
