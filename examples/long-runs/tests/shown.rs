//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_long-runs");

#[test]
fn the_book_shows_what_it_prints() {
    Example::of(env!("CARGO_MANIFEST_DIR"))
        .shows("program", PROGRAM, &["program"])
        .shows("sample", PROGRAM, &["sample"])
        .shows("broken", PROGRAM, &["broken"])
        .shows("tries", PROGRAM, &["tries"])
        .shows("resources", PROGRAM, &["resources"]);
}
