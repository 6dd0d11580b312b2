//! What the book shows of this example.

use shown::Example;

#[test]
fn the_book_shows_what_it_prints() {
    let example = Example::of(env!("CARGO_MANIFEST_DIR"));
    let output = example.output(env!("CARGO_BIN_EXE_many-runs"), &[]);
    for part in output.split("# ").skip(1) {
        let (title, lines) = part.split_once('\n').unwrap();
        example.compare(title, lines);
    }
    let code = std::fs::read_dir(example.folder().join("_store/code")).unwrap();
    let texts = code.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let search = texts
        .into_iter()
        .find(|text| text.starts_with("[stage search "))
        .unwrap();
    example.compare("code", &search);
}
