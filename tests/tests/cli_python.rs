//! `import` and `export`, and what is said of a Python store in the place of one of this library.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;

use serde_json::Value;
use tests::line::Line;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");
const EXPERIMENT: &str = env!("CARGO_BIN_EXE_experiment");

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn results_go_out_and_come_in() {
    let line = Line::new(STORE);
    let at = |name: &str| line.folder.path().join(name);
    let planned = line.say("export --python python --all --dry-run");
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(!at("python").exists());
    let exported = line.say("export --python python --all");
    assert_eq!(exported.out, planned.out);
    assert_eq!(
        exported.err,
        "6 realizations are in python, 6 of them new\n"
    );
    assert_eq!(exported.out.lines().count(), 6);
    let again = line.say("export --python python plot");
    assert_eq!(again.err, "3 realizations are in python, 0 of them new\n");

    // Into a store that does not exist yet: looking makes none.
    let planned = line.say("import python --store other --dry-run");
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(!at("other").exists());
    let imported = line.say("import python --store other");
    assert_eq!(imported.out, planned.out);
    assert!(
        imported
            .err
            .contains("6 realizations are in other, 6 of them new\n"),
        "{imported:?}"
    );
    assert!(imported.err.contains("`accept --unknown`"), "{imported:?}");
    let rrefs: Vec<String> = (line.store.rrefs().unwrap().iter())
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines(&imported.out), rrefs);
    let again = line.say("import python --store other");
    assert_eq!(again.err, "6 realizations are in other, 0 of them new\n");
    let listed = line.say("import python --store other --dry-run --json");
    let answer: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(answer["dry_run"], Value::Bool(true));
    assert_eq!(answer["realizations"].as_array().unwrap().len(), 6);

    // An archive, with a word about what `sunpack` does not take.
    let packed = line.say("export --python all.zip --all");
    assert!(
        packed
            .err
            .contains("1 realization has folders or links: `sunpack`"),
        "{packed:?}"
    );
    let unpacked = line.say("import all.zip --store third");
    assert_eq!(lines(&unpacked.out), rrefs);

    // What cannot come is said, the rest comes, and the exit code tells.
    let folder = at("python/store-v0");
    let flaky = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let flaky = flaky
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with("-flaky"))
        .unwrap();
    fs::remove_file(flaky.join("config.json")).unwrap();
    fs::write(flaky.join("config.json"), "{}").unwrap();
    let some = line.say("import python --store fourth");
    assert_eq!(some.code, 1);
    assert!(some.err.contains("left out: dref:"), "{some:?}");
    assert_eq!(some.out.lines().count(), 5);
}

#[test]
fn a_python_store_in_the_place_of_one_of_ours_is_told() {
    let line = Line::new(STORE);
    for place in ["python", "python.zip"] {
        assert_eq!(line.say(&format!("export --python {place} plot")).code, 0);
    }
    let names = || {
        let names = fs::read_dir(line.folder.path().join("python")).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        names
    };
    let before = names();
    for command in ["list", "check", "unpack python.zip", "pack all.zip --all"] {
        let said = line.say(&format!("{command} --store python"));
        assert_eq!(said.code, 3, "{said:?}");
        assert!(
            said.err
                .contains("is a store of the Python package pylightnix"),
            "{said:?}"
        );
        assert!(
            said.err.contains("help: `pylightnix import python`"),
            "{said:?}"
        );
    }
    assert_eq!(names(), before);
    for store in ["store", "new"] {
        let said = line.say(&format!("unpack python.zip --store {store}"));
        assert_eq!(said.code, 1, "{said:?}");
        assert!(
            said.err
                .contains("is an archive of the Python package pylightnix"),
            "{said:?}"
        );
        assert!(
            said.err.contains("help: `pylightnix import python.zip`"),
            "{said:?}"
        );
    }
    assert!(!line.folder.path().join("new").exists());
    for (command, why) in [
        ("import nowhere", "cannot open nowhere"),
        (
            "import store --store new",
            "is not a store of the Python package pylightnix",
        ),
        ("import python --accept --store new", "no plan"),
    ] {
        let said = line.say(command);
        assert_ne!(said.code, 0, "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
    }
    assert!(!line.folder.path().join("new").exists());
}

#[test]
fn a_program_accepts_what_it_imports() {
    let line = Line::empty(EXPERIMENT);
    assert_eq!(line.say("run --quiet").code, 0);
    assert_eq!(line.say("export --python python --all").code, 0);
    let imported = line.say("import python --store other");
    assert_eq!(imported.code, 0, "{imported:?}");
    let planned = line.say("plan --store other");
    assert!(planned.out.contains("build"), "{planned:?}");
    let accepted = line.say("accept --unknown --store other");
    assert!(accepted.out.contains("accepted "), "{accepted:?}");
    let planned = line.say("plan --store other");
    assert!(planned.out.contains("nothing to build"), "{planned:?}");
    let at_once = line.say("import python --store third --accept");
    assert!(at_once.err.contains("accepted rref:"), "{at_once:?}");
    let planned = line.say("plan --store third");
    assert!(planned.out.contains("nothing to build"), "{planned:?}");
}
