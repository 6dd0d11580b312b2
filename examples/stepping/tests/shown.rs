//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_stepping");

#[test]
fn the_book_shows_what_it_prints() {
    Example::of(env!("CARGO_MANIFEST_DIR"))
        .shows("first", PROGRAM, &[])
        .shows("again", PROGRAM, &[]);
}
