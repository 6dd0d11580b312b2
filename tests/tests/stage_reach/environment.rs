//! A build record says with what its result was made.

use std::fs;
use std::path::Path;
use std::process::Command;

use pylightnix::config::Digest;
use pylightnix::store::{BuildKind, BuildRecord, Store};

use super::{Experiment, MAIN, NOTHING};

/// Runs a program that has to succeed, and returns what it prints.
fn printed(program: &str, arguments: &[&str], here: &Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(here)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn git(here: &Path, arguments: &[&str]) -> Vec<u8> {
    let person = ["-c", "user.name=ada", "-c", "user.email=ada@lab"];
    printed("git", &[&person[..], arguments].concat(), here)
}

/// The newest build record of the stage `sample`.
fn newest(lab: &Experiment) -> BuildRecord {
    let store = Store::open(lab.store.path()).unwrap();
    let of_stage = store.find().name("sample").run().unwrap();
    let builds = of_stage.flat_map(|found| found.unwrap().realization().unwrap().builds().to_vec());
    builds.max_by_key(|build| build.id).unwrap()
}

/// An experiment whose stage reaches a crate, in a working directory under git.
fn lab() -> Experiment {
    let lab = Experiment::new();
    lab.edit("src/prep.rs", "x * SCALE", "weight(&x) * SCALE");
    lab.edit(
        "src/prep.rs",
        "pub fn unused",
        "fn weight<T: serde::Serialize + Copy>(value: &T) -> T {\n    *value\n}\n\npub fn unused",
    );
    let here = lab.here.path();
    fs::write(here.join("notes.txt"), "one\n").unwrap();
    git(here, &["init", "--quiet"]);
    git(here, &["add", "."]);
    git(here, &["commit", "--quiet", "-m", "one"]);
    lab
}

/// The version of a crate in the lock file of the experiment.
fn locked(lab: &Experiment, name: &str) -> String {
    let text = fs::read_to_string(lab.folder.join("Cargo.lock")).unwrap();
    let (_, after) = text
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[test]
fn a_build_record_says_with_what_the_result_was_made() {
    let lab = lab();
    let here = lab.here.path();
    lab.asked("run");
    let record = newest(&lab);
    let environment = record.environment.as_deref().unwrap();
    let said = String::from_utf8(printed("rustc", &["-V"], &lab.folder)).unwrap();
    assert_eq!(environment.rustc.as_deref(), Some(said.trim()));
    let host = String::from_utf8(printed("rustc", &["-vV"], &lab.folder)).unwrap();
    let target = environment.target.as_deref().unwrap();
    assert!(host.contains(&format!("host: {target}\n")), "{target}");
    assert_eq!(environment.profile.as_deref(), Some("debug"));
    assert_eq!(environment.debug_assertions, Some(true));
    assert_eq!(environment.features.as_deref(), Some(&[][..]));
    assert_eq!(environment.crates["serde"], locked(&lab, "serde"));
    let crates: Vec<_> = environment.crates.keys().collect();
    assert_eq!(crates, ["serde"]);
    if fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("model name")) {
        assert!(environment.cpu.as_ref().is_some_and(|cpu| !cpu.is_empty()));
    }
    assert_eq!((record.dirty, &record.difference), (Some(false), &None));

    // What git does not track does not count, and what it tracks does.
    fs::write(here.join("notes.txt"), "two\n").unwrap();
    fs::write(here.join("other.txt"), "more\n").unwrap();
    lab.edit("src/prep/shape.rs", "return x;", "return x + 0.;");
    lab.tried("run", &["fast"]).unwrap();
    let record = newest(&lab);
    let environment = record.environment.as_deref().unwrap();
    assert_eq!(environment.features, Some(vec!["fast".to_owned()]));
    let difference = git(here, &["diff", "--binary", "HEAD"]);
    assert_eq!(record.dirty, Some(true));
    let why = lab.tried("why", &["fast"]).unwrap();
    let digest = Digest::of(&difference).to_string();
    let told = format!(
        "  also different: features none -> fast, uncommitted none -> {}",
        &digest[..12]
    );
    assert!(why.lines().any(|line| line == told), "{told}\n{why}");
    assert_eq!(record.difference, Some(digest.clone()));

    // An acceptance says it too.
    lab.edit("src/prep/shape.rs", "return x + 0.;", "return 0. + x;");
    lab.tried("accept", &["fast"]).unwrap();
    let record = newest(&lab);
    assert_eq!(record.kind, BuildKind::Accept);
    let told = (record.dirty, record.difference);
    assert_eq!(told, (Some(true), Some(digest)));
}

#[test]
fn an_environment_that_is_not_understood_does_not_hide_the_record() {
    let lab = lab();
    lab.asked("run");
    let record = newest(&lab);
    let store = Store::open(lab.store.path()).unwrap();
    let folders = fs::read_dir(lab.store.path().join("store-v1")).unwrap();
    let name = format!("build-{}.json", record.id);
    let mut written = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let file = written
        .find_map(|entry| Some(entry.unwrap().path().join(&name)).filter(|file| file.exists()))
        .unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    json["environment"] = "of a later version".into();
    fs::remove_file(&file).unwrap();
    fs::write(&file, json.to_string()).unwrap();
    let _ = fs::remove_dir_all(lab.store.path().join("cache"));
    assert_eq!(lab.asked("plan"), NOTHING);
    assert_eq!(newest(&lab).environment, None);
    assert!(store.check().run().unwrap().faults.is_empty());
}

#[test]
fn what_counts_makes_results_stale() {
    let lab = lab();
    lab.edit(
        "src/main.rs",
        "#[stage]\nfn sample",
        "#[stage(counts(rustc, profile, features, crates(serde)))]\nfn sample",
    );
    lab.asked("run");
    assert_eq!(lab.asked("plan"), NOTHING);
    // Another feature than those in the code.
    lab.edit("Cargo.toml", "fast = []", "fast = []\nslow = []");
    assert_eq!(lab.asked("plan"), NOTHING);
    let plan = lab.tried("plan", &["slow"]).unwrap();
    assert!(plan.contains("environment `features`"), "{plan}");
    assert!(!plan.contains("mean: code changed"), "{plan}");

    // For all stages of the package, without options of their own.
    lab.edit(
        "Cargo.toml",
        "[features]",
        "[package.metadata.pylightnix]\ncount = [\"target\", \"crates(serde)\"]\n\n[features]",
    );
    let plan = lab.asked("plan");
    assert!(plan.contains("environment `target`"), "{plan}");
    lab.asked("run");
    assert_eq!(lab.asked("plan"), NOTHING);
    lab.edit("Cargo.toml", "\"target\", ", "");
    let plan = lab.asked("plan");
    assert!(plan.contains("environment `target`"), "{plan}");

    lab.edit("Cargo.toml", "crates(serde)", "crates(no_such_crate)");
    let error = lab.asked("plan");
    let told = "`crates(no_such_crate)` in `count` of `[package.metadata.pylightnix]` in Cargo.toml: the version of";
    assert!(error.contains(told), "{error}");
}

#[test]
fn what_counts_does_so_for_a_stage_that_is_not_followed() {
    let lab = lab();
    let version = |options: &str| {
        let main = MAIN.replacen("#[stage]", &format!("#[stage(version = 1{options})]"), 1);
        lab.write("src/main.rs", &main);
    };
    version("");
    lab.asked("run");
    version(", counts(crates(serde))");
    let plan = lab.asked("plan");
    assert!(plan.contains("version of the crate `serde`"), "{plan}");
    lab.asked("run");
    assert_eq!(lab.asked("plan"), NOTHING);
    let code = newest(&lab).fingerprint.unwrap();
    let store = Store::open(lab.store.path()).unwrap();
    let code = store.code(&code).unwrap().unwrap();
    let told = format!("crates.serde: {}\n", locked(&lab, "serde"));
    assert!(
        code.contains(&told) && code.contains("version 1\n"),
        "{code}"
    );
}

#[test]
fn what_counts_in_a_run_does_so_for_all_its_stages() {
    let lab = lab();
    lab.asked("run");
    let plan = lab.printed("plan rustc serde");
    for stage in ["sample", "mean"] {
        let line = plan.lines().find(|line| line.contains(stage)).unwrap();
        assert!(line.contains("environment `rustc`"), "{plan}");
    }
    assert!(
        lab.printed("why rustc serde")
            .contains("version of the crate `serde`")
    );
    lab.printed("run rustc serde");
    assert_eq!(lab.printed("plan rustc serde"), NOTHING);
    // Other runs go on with what they had.
    assert_eq!(lab.printed("plan"), NOTHING);
    assert_eq!(lab.printed("plan serde features").lines().count(), 3);

    // It is the same as the option of each stage.
    let main = fs::read_to_string(lab.folder.join("src/main.rs")).unwrap();
    let option = "#[stage(counts(crates(serde), rustc))]";
    lab.write("src/main.rs", &main.replace("#[stage]", option));
    assert_eq!(lab.asked("plan"), NOTHING);
    assert_eq!(lab.printed("plan serde"), NOTHING);

    let told = lab.refused("plan no-such-crate");
    let what = "crates(no_such_crate) is to count in this run, and no stage of the plan is in a package whose";
    assert!(told.contains(what), "{told}");
}
