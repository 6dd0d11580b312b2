//! `import` and `export`, and what is said of a Python store in the place of one of this library.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use std::process::Command;

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

#[test]
fn whence_results_came_is_shown() {
    let line = Line::new(STORE);
    assert_eq!(line.say("export --python python plot").code, 0);
    assert_eq!(line.say("import python --store other").code, 0);
    let shown = line.say("show plot --store other");
    assert!(shown.out.contains("from Python: "), "{shown:?}");
    assert!(shown.out.contains("/python\n"), "{shown:?}");
    let why = line.say("why plot --store other");
    assert!(why.out.contains("it came from Python: rref:"), "{why:?}");
    let said = line.say("show plot --store other --json");
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    let builds = answer["builds"].as_array().unwrap();
    assert!(
        builds
            .iter()
            .all(|build| build["python"]["rref"].is_string()),
        "{answer}"
    );
}

#[test]
fn a_stub_is_left_out_of_an_export_by_its_name() {
    let line = Line::new(STORE);
    let remote = line.folder.path().join("remote");
    for command in [
        "roots --add plot plot",
        "push plot --remote ./remote",
        "gc --yes --pushed ./remote --pushed-before 0s",
    ] {
        let said = line.say(command);
        assert_eq!(said.code, 0, "{said:?}");
    }
    fs::rename(&remote, line.folder.path().join("elsewhere")).unwrap();
    let said = line.say("export --python python --all");
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(
        said.err.matches("`pull` fetches them").count(),
        3,
        "{said:?}"
    );
}

#[test]
fn an_export_that_dies_leaves_nothing_half() {
    let line = Line::new(STORE);
    let at = |name: &str| line.folder.path().join(name);
    let whole = |place: &str, store: &str| {
        let said = line.say(&format!("import {place} --store {store}"));
        (said.code, said.out.lines().count())
    };
    for place in ["python", "python.zip"] {
        let mut died = 0;
        // It is stopped at each of its system calls that changes something, one later each time.
        for step in 1.. {
            let calls = "rename,renameat,renameat2,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,symlinkat,fchmod";
            let mut export = Command::new("strace");
            export.args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &format!("trace={calls}"),
            ]);
            export.args(["-e", &format!("inject={calls}:signal=KILL:when={step}")]);
            export
                .arg(STORE)
                .args(["export", "--python", place, "--all"]);
            export.current_dir(line.folder.path());
            export.arg("--store").arg(line.store.root());
            let Ok(done) = export.output() else {
                return; // without strace
            };
            let store = format!("store-{place}-{step}");
            let there = match place {
                "python" => at("python/store-v0"),
                archive => at(archive),
            };
            match there.exists() {
                true => {
                    let (code, came) = whole(place, &store);
                    assert!(code == 0 && came <= 6, "{place} {step}: {came}");
                    assert!(
                        place == "python" || came == 6,
                        "an archive is whole or not there"
                    );
                }
                false => died += 1,
            }
            let _ = fs::remove_dir_all(at(&store));
            if done.status.success() {
                break;
            }
        }
        assert!(died > 5, "{died}");
        let said = line.say(&format!("export --python {place} --all"));
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(whole(place, &format!("last-{place}")), (0, 6));
    }
}
