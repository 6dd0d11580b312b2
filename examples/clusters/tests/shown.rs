//! What the book shows of this example.

use shown::Example;
use std::fs;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_clusters");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR")).varies("[0-9.]+ m?s", "<time>");
    let points = Path::new(env!("CARGO_MANIFEST_DIR")).join("points.csv");
    fs::copy(points, example.folder().join("points.csv")).expect("the points are copied");
    example
        .shows("before", PROGRAM, &["plan", "--store", "_store"])
        .shows("run", PROGRAM, &["run", "--store", "_store", "--quiet"])
        .shows("after", PROGRAM, &["plan", "--store", "_store", "--all"])
        .shows("cat", PROGRAM, &["cat", "fit", "--store", "_store"])
        .shows("graph", PROGRAM, &["graph", "--store", "_store"]);
}
