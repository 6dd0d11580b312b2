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
    // Beside the lists lies the folder of the texts that they name.
    let lists = code
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file());
    let lists = lists.map(|path| std::fs::read_to_string(path).unwrap());
    let search = lists
        .into_iter()
        .find(|text| text.lines().nth(1).unwrap().ends_with("\tsearch"))
        .unwrap();
    example.compare("code", &search);
}
