//! What the book shows of this example.

use shown::Example;

#[test]
fn the_book_shows_what_it_prints() {
    Example::of(env!("CARGO_MANIFEST_DIR"))
        .results_vary("anneal|plot")
        .varies(
            "-?[0-9]+(\\.[0-9]+)? \\(_storage[AB]\\)",
            "<energy> (<store>)",
        )
        .varies(
            "the run of _storage[AB]: -?[0-9]+(\\.[0-9]+)?",
            "the run of <store>: <energy>",
        )
        .varies("/[0-9a-f]{32}/out/plot.png", "/<hash>/out/plot.png")
        .shows("first", env!("CARGO_BIN_EXE_annealing"), &[])
        .shows("again", env!("CARGO_BIN_EXE_annealing"), &[]);
}
