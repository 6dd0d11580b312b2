//! What the book shows of these examples.

use shown::Example;

const HELLO: &str = env!("CARGO_BIN_EXE_hello");
const DATA: &str = env!("CARGO_BIN_EXE_data");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"))
        // Another compiler gives another program.
        .varies("compiler\\.\\.\\. .*", "compiler... <cc>")
        .varies("-program/[0-9a-f]{32}", "-program/<hash>")
        .varies("(tmp/<uuid>)/[0-9]+-0-[0-9a-f]{16}", "$1/<n>");
    example
        .shows("first", HELLO, &[])
        .shows("again", HELLO, &[])
        .shows_file("log", &example.find("-program/", ".log"))
        .shows_tree("installed", &installed(&example));
}

/// Returns the folder of the built program.
fn installed(example: &Example) -> String {
    let hello = example.find("-program/", "/out/bin/hello");
    hello.trim_end_matches("/bin/hello").to_owned()
}

#[test]
fn the_book_shows_what_is_counted() {
    Example::of(env!("CARGO_MANIFEST_DIR")).shows("data", DATA, &[]);
}
