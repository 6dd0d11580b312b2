//! What the book and the README show of this example.

use std::fs;
use std::path::Path;

use shown::Example;

const FIRST: &str = env!("CARGO_BIN_EXE_first-steps");
const MEAN: &str = env!("CARGO_BIN_EXE_mean");
const ARTIFACTS: &str = env!("CARGO_BIN_EXE_artifacts");
const README: &str = env!("CARGO_BIN_EXE_readme");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"))
        .varies("[0-9-]{10}T[0-9:.]+Z", "<time>")
        .varies(r#""(host|user)": "[^"]*""#, r#""$1": "<$1>""#)
        .varies(r#""(rustc|target)": "[^"]*""#, r#""$1": "<$1>""#)
        // Not every system names its processor.
        .varies(r#",[ \n]*"cpu": "[^"]*""#, "")
        .varies(r#"(?s)\n *"flags": \[.*?\],"#, "")
        .varies(r#""[^"]*/first-steps""#, r#""target/debug/first-steps""#);
    example
        .shows("first", FIRST, &[])
        .shows("again", FIRST, &[])
        .shows_tree("tree", "_store/store-v1")
        .shows_file("config", &example.find("-numbers/", "/config.json"))
        .shows_file("build-record", &example.find("-numbers/", "/build-"))
        .shows("mean", MEAN, &[])
        .shows_file("mean-config", &example.find("-mean/", "/config.json"))
        .shows("artifacts", ARTIFACTS, &[])
        .shows_file("sum-config", &example.find("-sum/", "/config.json"))
        .shows_file("sum-record", &example.find("-sum/", "/record"));
}

#[test]
fn the_readme_shows_its_example_and_what_that_prints() {
    Example::of(env!("CARGO_MANIFEST_DIR"))
        .shows("readme-first", README, &[])
        .shows("readme-again", README, &[]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path| fs::read_to_string(here.join(path)).expect("a file of the project can be read");
    let code = read("src/bin/readme.rs");
    // Without the line that says what the program is.
    let (_, code) = code.split_once("\n\n").unwrap_or_default();
    let (first, again) = (
        read("shown/readme-first.txt"),
        read("shown/readme-again.txt"),
    );
    let readme = read("../../README.md");
    for (language, text) in [("rust,no_run", code), ("text", &first), ("text", &again)] {
        let block = format!("```{language}\n{}\n```\n", text.trim_end());
        assert!(
            readme.contains(&block),
            "README.md does not have this block:\n{block}"
        );
    }
}
