//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_classifier");

#[test]
fn the_book_shows_what_it_prints() {
    let example =
        Example::of(env!("CARGO_MANIFEST_DIR")).varies(r"[0-9]+\.[0-9]+ s", "<seconds> s");
    example
        .shows("first", PROGRAM, &[])
        .shows("again", PROGRAM, &[]);
}
