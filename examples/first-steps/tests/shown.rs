//! What the book shows of this example.

use shown::Example;

const FIRST: &str = env!("CARGO_BIN_EXE_first-steps");
const MEAN: &str = env!("CARGO_BIN_EXE_mean");
const ARTIFACTS: &str = env!("CARGO_BIN_EXE_artifacts");

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"))
        .varies("[0-9-]{10}T[0-9:.]+Z", "<time>")
        .varies(r#""(host|user)": "[^"]*""#, r#""$1": "<$1>""#)
        .varies(r#""[^"]*/first-steps""#, r#""target/debug/first-steps""#);
    example
        .shows("first", FIRST, &[])
        .shows("again", FIRST, &[])
        .shows_tree("tree", "_store/store-v1")
        .shows_file("config", &example.find("-numbers/", "/config.json"))
        .shows_file("build-record", &example.find("-numbers/", "/build-"))
        .shows("mean", MEAN, &[])
        .shows_file("mean-config", &example.find("-mean/", "/config.json"))
        .shows("artifacts", ARTIFACTS, &[])
        .shows_file("sum-config", &example.find("-sum/", "/config.json"))
        .shows_file("sum-record", &example.find("-sum/", "/record"));
}
