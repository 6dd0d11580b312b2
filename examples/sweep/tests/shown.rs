//! What the book shows of this example.

use shown::Example;

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"))
        .varies(r"byte [0-9]+\)", "byte <n>)")
        .varies("[0-9]+ bytes", "<n> bytes")
        .results_vary("report");
    let output = example.output(env!("CARGO_BIN_EXE_sweep"), &[]);
    for part in output.split("# ").skip(1) {
        let (title, lines) = part.split_once('\n').unwrap_or((part, ""));
        example.compare(title, lines);
    }
}
