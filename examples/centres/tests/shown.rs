//! What the book shows of this example.

use shown::Example;
use std::fs;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_centres");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/params.toml");
    fs::copy(file, example.folder().join("params.toml")).expect("a file of parameters");
    // Some of what is shown are errors, and a difference has an exit status of its own.
    let said = |line: &str| {
        let output = Command::new(PROGRAM)
            .args(line.split(' '))
            .current_dir(example.folder())
            .env("PYLIGHTNIX_ROOT", example.folder().join("_store"))
            .env("COLUMNS", "110")
            .output()
            .expect("the program can be run");
        let text = [output.stderr, output.stdout].concat();
        String::from_utf8(text).expect("it prints text")
    };
    let shows = |name: &str, line: &str| {
        example.compare(name, &said(line));
    };
    shows(
        "params",
        "params --profile quick --set descent.start=first-point",
    );
    shows("wrong", "plan --set descent.rat=0.1");
    shows("undecided", "plan");
    said("run --quiet");
    shows(
        "plan",
        "plan --set descent.rate=0.3 --set descent.threads=2",
    );
    shows(
        "sweep",
        "plan --sweep descent.rate=0.3,0.4 --sweep descent.start=zero,first-point",
    );
    said("run --quiet --set descent.rate=0.3");
    shows("diff", "params diff centre@4 centre");
}
