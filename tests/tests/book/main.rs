//! The book builds, its code comes from compiled examples, and its links are valid. The documents at the top level name
//! existing files. The rendered book is up to date. Tests of the checks themselves ensure that they detect faults.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod check;
mod documents;
mod includes;
mod links;
mod rendered;
mod summary;

use std::fs;
use std::path::Path;

use check::faults;

#[test]
fn the_book_has_no_fault() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = tempfile::tempdir().unwrap();
    let faults = faults(&root.join("book"), built.path());
    assert!(
        faults.is_empty(),
        "the book has {} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(built.path().join("introduction.html").exists());
}

/// A valid book of two chapters, and an example that it includes.
const SOUND: [(&str, &str); 6] = [
    (
        "book/book.toml",
        "[book]\ntitle = \"x\"\n[build]\ncreate-missing = false\n",
    ),
    (
        "book/src/SUMMARY.md",
        "# Summary\n\n- [One](one.md)\n- [Two](sub/two.md)\n",
    ),
    (
        "book/src/one.md",
        "# One\n\n```rust\n{{#include ../../examples/x/src/main.rs:body}}\n```\n\nSee [two](sub/two.md#the-end), \
         [below](#below), [SciPy](https://scipy.org/a?b=c#d).\n\n```sh\ncargo run\n```\n\n## Below\n",
    ),
    (
        "book/src/sub/two.md",
        "# Two\n\n```text\n{{#include ../../../examples/x/shown/out.txt}}\n```\n\n## The end\n",
    ),
    (
        "examples/x/src/main.rs",
        "fn main() {\n    // ANCHOR: body\n    println!();\n    // ANCHOR_END: body\n}\n",
    ),
    ("examples/x/shown/out.txt", "hello\n"),
];

/// The documents at the top level that name files.
const DOCUMENTS: [&str; 4] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];

#[test]
fn documents_name_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let faults = documents::faults(root, &DOCUMENTS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_document_that_names_what_is_gone_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[a](there.md#place) [b](gone.md) [c](https://example.org/gone.rs) `store/there.rs` and `store/gone.rs`\n\n\
                `There`, `store/there.rs`; `Gone`, `store/there.rs`\n\n\
                ```text\nThere::call   store/there.rs   what it does\n  There::cal   store/there.rs\n```\n";
    fs::write(folder.path().join("there.md"), text).unwrap();
    fs::create_dir_all(folder.path().join("pylightnix/src/store")).unwrap();
    let source = "struct There;\nimpl There { fn call<T>() {} }\n";
    fs::write(folder.path().join("pylightnix/src/store/there.rs"), source).unwrap();
    assert_eq!(
        documents::faults(folder.path(), &["there.md", "none.md"]),
        [
            "there.md: `gone.md` links to no file",
            "there.md: `There::cal` is not in `store/there.rs`",
            "there.md: `Gone` is not in `store/there.rs`",
            "there.md: there is no file `store/gone.rs`",
            "none.md: there is no such document",
        ]
    );
}

/// Creates a folder with the valid book.
fn sound_book() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in SOUND {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Returns the faults of the valid book after replacing `from` by `to` in `file`; a missing file is created.
fn faults_after(file: &str, from: &str, to: &str) -> Vec<String> {
    let folder = sound_book();
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    assert!(text.contains(from), "{file} does not contain {from:?}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    faults(&folder.path().join("book"), &folder.path().join("built"))
}

#[test]
fn a_sound_book_passes() {
    assert_eq!(
        faults_after("book/src/one.md", "", ""),
        Vec::<String>::new()
    );
}

#[test]
fn each_fault_is_found() {
    const ONE: &str = "book/src/one.md";
    const TWO: &str = "book/src/sub/two.md";
    const CODE: &str = "examples/x/src/main.rs";
    const SUMMARY: &str = "book/src/SUMMARY.md";
    let cases = [
        (ONE, "main.rs:body", "none.rs:body", "there is no such file"),
        (ONE, "main.rs:body", "main.rs:other", "no `ANCHOR: other`"),
        (
            ONE,
            "main.rs:body",
            "main.rs:1:2",
            "is not the name of an anchor",
        ),
        (
            ONE,
            "{{#include",
            "{{#includ",
            "is not `{{#include <path>}}`",
        ),
        (
            ONE,
            "{{#include",
            "{{#rustdoc_include",
            "is not `{{#include <path>}}`",
        ),
        (CODE, "    println!();\n", "", "is empty"),
        (
            CODE,
            "    // ANCHOR_END: body\n",
            "",
            "no `ANCHOR_END: body`",
        ),
        (
            CODE,
            "}\n",
            "}\n// ANCHOR: body\n",
            "2 times `ANCHOR: body`",
        ),
        ("examples/x/shown/out.txt", "hello", "", "is empty"),
        (
            ONE,
            "```rust\n",
            "```rust\nlet typed = 1;\n",
            "is typed by hand",
        ),
        (
            ONE,
            "```rust\n",
            "```rust,ignore\nlet typed = 1;\n",
            "is typed by hand",
        ),
        (TWO, "```text\n", "```text\ntyped\n", "is typed by hand"),
        (ONE, "```rust", "```", "does not say its language"),
        (
            ONE,
            "## Below",
            "    let indented = 1;\n\n## Below",
            "is indented",
        ),
        (ONE, "src/main.rs:body", "shown/out.txt", "is not compiled"),
        (
            ONE,
            "sub/two.md#the-end",
            "sub/two.md#the-start",
            "`sub/two.html#the-start`: there is no such place",
        ),
        (
            ONE,
            "(#below)",
            "(#above)",
            "`#above`: there is no such place",
        ),
        (ONE, "sub/two.md#", "two.md#", "there is no such page"),
        (
            ONE,
            "https://scipy.org",
            "https:/scipy.org",
            "is not the address of a page",
        ),
        (
            ONE,
            "https://scipy.org",
            "https://sci py",
            "](https://sci py",
        ),
        (
            ONE,
            "https://scipy.org",
            "htp://scipy.org",
            "is not the address of a page",
        ),
        (
            ONE,
            "## Below",
            "![a picture](none.png)\n\n## Below",
            "there is no such page",
        ),
        (SUMMARY, "- [Two](sub/two.md)\n", "", "is not in SUMMARY.md"),
        (
            SUMMARY,
            "(one.md)",
            "(none.md)",
            "is in SUMMARY.md, but there is no such file",
        ),
        (
            SUMMARY,
            "- [Two](sub/two.md)\n",
            "- [Two](sub/two.md)\n- [Again](one.md)\n",
            "is in SUMMARY.md twice",
        ),
        (
            SUMMARY,
            "- [Two](sub/two.md)\n",
            "- [Two](sub/two.md)\n- [Three]()\n",
            "without a file",
        ),
        ("book/src/three.md", "", "# Three\n", "is not in SUMMARY.md"),
        ("book/book.toml", "title", "titel =", "cannot be built"),
    ];
    for (file, from, to, wanted) in cases {
        let faults = faults_after(file, from, to);
        assert!(
            faults.iter().any(|fault| fault.contains(wanted)),
            "{from:?} -> {to:?} in {file} should be found: {wanted:?}; found were {faults:#?}"
        );
    }
}

/// The folder of the book as Markdown with its code included.
const RENDERED: &str = "book/rendered";

#[test]
fn the_rendered_book_is_what_the_book_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let pages = rendered::pages(&root.join("book")).unwrap();
    let folder = root.join(RENDERED);
    if std::env::var("SNAPSHOTS").is_ok_and(|what| what == "overwrite") {
        rendered::write(&pages, &folder).unwrap();
    }
    let mut faults = rendered::link_faults(&pages);
    faults.extend(rendered::picture_faults(&pages, &folder));
    faults.extend(rendered::differences(&pages, &folder));
    assert!(
        faults.is_empty(),
        "{RENDERED}: write it anew by `SNAPSHOTS=overwrite cargo test -p tests --all-features --test book`\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_rendered_book_shows_its_code_and_has_links_that_work() {
    let folder = sound_book();
    let pages = rendered::pages(&folder.path().join("book")).unwrap();
    let names: Vec<_> = pages.keys().map(String::as_str).collect();
    assert_eq!(names, ["README.md", "one.md", "sub/two.md"]);
    let one = &pages["one.md"];
    assert!(one.contains("```rust\n    println!();\n```"), "{one}");
    assert!(
        one.ends_with("[Contents](README.md) | [Next](sub/two.md)\n"),
        "{one}"
    );
    let two = &pages["sub/two.md"];
    let end = "[Previous](../one.md) | [Contents](../README.md)\n";
    assert!(two.contains("hello") && two.ends_with(end), "{two}");
    assert_eq!(rendered::link_faults(&pages), Vec::<String>::new());

    let shown = folder.path().join("rendered");
    rendered::write(&pages, &shown).unwrap();
    assert_eq!(rendered::differences(&pages, &shown), Vec::<String>::new());
    fs::write(shown.join("one.md"), "another").unwrap();
    fs::write(shown.join("old.md"), "").unwrap();
    fs::remove_file(shown.join("README.md")).unwrap();
    let faults = rendered::differences(&pages, &shown);
    assert_eq!(faults.len(), 3, "{faults:#?}");
    assert_eq!(faults[0], "old.md is no page of the book");
    assert!(faults[1].starts_with("README.md: "), "{faults:#?}");
    assert_eq!(faults[2], "one.md is not what the book says now");
    rendered::write(&pages, &shown).unwrap();
    assert_eq!(rendered::differences(&pages, &shown), Vec::<String>::new());
}

#[test]
fn a_rendered_link_that_leads_nowhere_is_found() {
    let page = |text: &str| text.to_owned();
    let pages = [
        (
            "a.md".to_owned(),
            page("# A `b`, c\n[x](sub/d.md#e-f) [y](#a-b-c) [z](gone.md) [w](#gone)\n"),
        ),
        (
            "sub/d.md".to_owned(),
            page("# E_f\n## E f\n[x](../a.md) [y](../a.md#e-f)\n"),
        ),
    ];
    assert_eq!(
        rendered::link_faults(&pages.into()),
        [
            "a.md: `gone.md`: there is no such page",
            "a.md: `#gone`: there is no such place in it",
            "sub/d.md: `../a.md#e-f`: there is no such place in it",
        ]
    );
}
