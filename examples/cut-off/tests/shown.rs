//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cut-off");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    for part in ["first", "plan", "run", "why", "reads"] {
        example.shows(part, PROGRAM, &[part]);
    }
}
