//! Results at a remote are taken wherever the code is the same, however it was checked out and compiled.

use std::fs;
use std::path::Path;

use super::Experiment;
use super::places::FILES;

const TAKEN: &str = "nothing to build: 2 of 2 stages fetched, 0 reused\n";

/// Copies the experiment to another folder, each file as `edit` makes it.
fn copied(lab: &Experiment, to: &Path, edit: impl Fn(&str, String) -> String) {
    for file in FILES.iter().chain(&["Cargo.lock"]) {
        let place = to.join(file);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let text = fs::read_to_string(lab.folder.join(file)).unwrap();
        fs::write(place, edit(file, text)).unwrap();
    }
}

#[test]
fn the_same_code_is_taken_wherever_it_was_compiled() {
    let lab = Experiment::new();
    let place = tempfile::tempdir().unwrap();
    let remote = place.path().join("remote");
    lab.asked(&format!("push {}", remote.display()));
    let mut stores = 0;
    let mut take = || {
        stores += 1;
        let store = place.path().join(format!("store-{stores}"));
        lab.printed(&format!("take {} {}", remote.display(), store.display()))
    };
    assert_eq!(take(), TAKEN);

    // Checked out on Windows, in another folder.
    let windows = place.path().join("deeper/windows");
    copied(&lab, &windows, |_, text| text.replace('\n', "\r\n"));
    lab.built_in(&windows, &[]).unwrap();
    assert_eq!(take(), TAKEN);

    // A member of a workspace.
    let workspace = place.path().join("workspace");
    copied(&lab, &workspace.join("lab"), |file, text| match file {
        "Cargo.toml" => text
            .replace("[workspace]", "")
            .replace("[profile.dev]\ndebug = false", ""),
        _ => text,
    });
    let members =
        "[workspace]\nmembers = [\"lab\"]\nresolver = \"3\"\n\n[profile.dev]\ndebug = false\n";
    fs::write(workspace.join("Cargo.toml"), members).unwrap();
    fs::rename(
        workspace.join("lab/Cargo.lock"),
        workspace.join("Cargo.lock"),
    )
    .unwrap();
    lab.built_in(&workspace, &[]).unwrap();
    assert_eq!(take(), TAKEN);

    // As a release has it: optimised, and without debug assertions.
    let release = "\n[profile.dev.package.lab]\nopt-level = 3\ndebug-assertions = false\n";
    let manifest = fs::read_to_string(lab.folder.join("Cargo.toml")).unwrap();
    lab.write("Cargo.toml", &format!("{manifest}{release}"));
    lab.built_in(&lab.folder, &[]).unwrap();
    assert_eq!(take(), TAKEN);

    // Code that asks for debug assertions is other code there, and that is said.
    lab.edit(
        "src/prep.rs",
        "x * SCALE",
        "if cfg!(debug_assertions) { x } else { x * SCALE }",
    );
    lab.built_in(&lab.folder, &[]).unwrap();
    let asks = place.path().join("asks");
    lab.printed(&format!("push {}", asks.display()));
    lab.write("Cargo.toml", &manifest);
    lab.built_in(&lab.folder, &[]).unwrap();
    let store = place.path().join("store-asks");
    let said = lab.printed(&format!("take {} {}", asks.display(), store.display()));
    assert!(said.starts_with("other code of sample: "), "{said}");
    assert!(said.contains("debug"), "{said}");
    assert!(
        said.contains("1 of 2 stages built") || said.contains("2 of 2 stages built"),
        "{said}"
    );
}
