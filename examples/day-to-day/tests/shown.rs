//! What the book shows of this example.

use shown::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_day-to-day");
const MONDAY: &str = env!("CARGO_BIN_EXE_monday");
const TUESDAY: &str = env!("CARGO_BIN_EXE_tuesday");

fn example() -> Example {
    Example::of(env!("CARGO_MANIFEST_DIR")).varies(r"[0-9]+\.[0-9]+ s", "<seconds> s")
}

#[test]
fn the_book_shows_what_it_prints() {
    example()
        .shows("plans", PROGRAM, &["plans"])
        .shows("watched", PROGRAM, &["watched"])
        .shows("replaced", PROGRAM, &["replaced"])
        .shows("refused", PROGRAM, &["refused"])
        .shows("failing", PROGRAM, &["failing"]);
}

#[test]
fn the_book_shows_how_a_failed_build_is_kept() {
    let example = example().varies("[a-z]+-<uuid>", "part-<uuid>");
    example
        .shows("failing", PROGRAM, &["failing"])
        .shows_tree("failed", "_store/failed");
}

#[test]
fn the_book_shows_how_results_outlive_changes() {
    example()
        .shows("monday", MONDAY, &["run"])
        .shows("tuesday-show", TUESDAY, &["show"])
        .shows("tuesday-plan", TUESDAY, &["plan"])
        .shows("tuesday-accept", TUESDAY, &["accept"])
        .shows("tuesday-run", TUESDAY, &["run"])
        .shows("monday-again", MONDAY, &["run"]);
}
