//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_settings");

#[test]
fn the_book_shows_what_it_prints() {
    let parts = [
        "missing",
        "run",
        "again",
        "retried",
        "asserted",
        "evaluated",
        "choices",
    ];
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    for part in parts {
        example.shows(part, PROGRAM, &[part]);
    }
}
