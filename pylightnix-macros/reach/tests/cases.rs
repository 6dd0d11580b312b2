//! Whether changes to code count for a stage, for many kinds of code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

#[path = "cases/format.rs"]
mod format;

use std::fs;
use std::path::{Path, PathBuf};

use format::{Case, File, Suite, Version, suite};
use pylightnix_reach::{Place, Reached, Sources, Stage};

const MANIFEST: &str = "[package]
name = 'lab'
[dependencies]
dep = { path = 'dep' }
serde = '1'
serde_json = '1'
pylightnix = '1'
burn = '1'
";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes the package of a case, and returns the file with its stage.
fn write_package(folder: &Path, shared: &[File], case: &Case, version: Version) -> PathBuf {
    write(&folder.join("Cargo.toml"), MANIFEST);
    write(&folder.join("dep/Cargo.toml"), "[package]\nname = 'dep'\n");
    let lib = "#[macro_use]\npub mod shared;\npub mod case;\n";
    write(&folder.join("src/lib.rs"), lib);
    for file in shared {
        let root = match file.name.starts_with("dep/") {
            true => folder.to_owned(),
            false => folder.join("src"),
        };
        let of_case = |name: &str| match name == case.name {
            true => version,
            false => Version::Before,
        };
        write(&root.join(&file.name), &file.shared_version(of_case));
    }
    write_sources(&folder.join("src"), folder, case, version)
}

/// Writes the files of a case, and returns the one with its stage.
fn write_sources(src: &Path, root: &Path, case: &Case, version: Version) -> PathBuf {
    let mut stage = None;
    for file in case.sources() {
        let path = match file.name.strip_prefix('/') {
            Some(name) => root.join(name),
            None => src.join(&file.name),
        };
        let mut text = file.version(version);
        if !text.contains("#[stage]") {
            text = text.replace("pub fn stage", "#[stage] pub fn stage");
        }
        write(&path, &text);
        if file.has("stage") {
            stage = Some(path);
        }
    }
    stage.unwrap()
}

/// Writes the package of a case and reads what its stage reaches.
fn reach(shared: &[File], case: &Case, version: Version) -> Reached {
    reach_without(shared, case, version, &[])
}

fn reach_without(shared: &[File], case: &Case, version: Version, untracked: &[&str]) -> Reached {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = match case.run() {
        Some(_) => write_sources(folder, folder, case, version),
        None => write_package(folder, shared, case, version),
    };
    // What a build script makes.
    let out = folder.join("out");
    let made = match version {
        Version::Before => "1",
        Version::After => "2",
    };
    write(&out.join("gen.rs"), made);
    let variable = move |name: &str| (name == "OUT_DIR").then(|| out.display().to_string());
    let mut sources = Sources::around(&file, variable).unwrap();
    let place = Place {
        file: &file,
        name: "stage",
        line: None,
    };
    let stage = sources.stage(&place, |_| true).ok_or(&case.name).unwrap();
    let path = |path: &&str| path.split("::").map(str::to_owned).collect();
    let untracked: Vec<Vec<String>> = untracked.iter().map(path).collect();
    sources.reach(stage, &untracked)
}

/// What counts, as a text that is equal if nothing changed.
fn counted(reached: &Reached) -> Vec<String> {
    let mut hashes: Vec<String> = reached.items.iter().map(|item| item.hash.clone()).collect();
    hashes.sort();
    hashes.dedup();
    let asked = reached.conditions.iter().chain(&reached.variables).cloned();
    hashes.extend(asked);
    hashes
}

fn table(text: &str) {
    let Suite { shared, cases } = suite(text);
    let mut wrong = Vec::new();
    for case in &cases {
        let before = reach(&shared, case, Version::Before);
        let after = reach(&shared, case, Version::After);
        let counts = counted(&before) != counted(&after);
        // What the text does not tell, the compiler is asked for.
        let is_asked = case.name.starts_with("HARD_")
            && !(before.conditions.is_empty() && before.variables.is_empty());
        if (counts || is_asked) != case.counts() {
            let told = |reached: &Reached| {
                let items = reached.items.iter();
                let texts: Vec<String> = items
                    .map(|item| format!("{}: {}", item.name, item.text))
                    .collect();
                texts.join("\n    ")
            };
            let (name, before, after) = (&case.name, told(&before), told(&after));
            wrong.push(format!("{name}:\n    {before}\nand then:\n    {after}\n"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_item_knows_what_names_it() {
    let case = Case {
        name: "chain".to_owned(),
        files: vec![File {
            name: "case.rs".to_owned(),
            text: "use pylightnix::Config; #[derive(Config)] struct C { rate: Rate } type Rate = f32;
                pub fn stage(b: &Build<C>) -> f32 { b.rate + h() } fn h() -> f32 { g() } fn g() -> f32 { M.at() }
                struct M; impl M { fn at(&self) -> f32 { deep() } } fn deep() -> f32 { 1.0 }"
                .to_owned(),
        }],
    };
    let reached = reach(&[], &case, Version::Before);
    let named = |name: &str| {
        let item = reached.items.iter().find(|item| item.name == name)?;
        Some(reached.items[item.from?].name.as_str())
    };
    assert_eq!(named("g"), Some("h"));
    assert_eq!(named("h"), Some("stage"));
    // A method by its `impl`, and that by the type.
    assert_eq!(named("deep"), Some("M::at"));
    assert_eq!(named("M::at"), Some("M"));
    let of_impl = reached
        .items
        .iter()
        .find(|item| item.kind == "impl")
        .unwrap();
    assert_eq!(reached.items[of_impl.from.unwrap()].kind, "struct");
    assert_eq!(named("C.rate"), Some("stage"));
    // By the field of a config, which the stage names.
    assert_eq!(named("Rate"), Some("stage"));
    assert_eq!(named("stage"), None);
}

#[test]
fn following_stops_at_what_is_untracked() {
    let text = "mod draw { pub fn plot() -> u32 { super::deep() } pub struct Pen; impl Pen { pub fn new() -> Pen { Pen } } }
        fn deep() -> u32 { 1 } fn log() -> u32 { 2 } fn kept() -> u32 { 3 }
        pub fn stage() -> u32 { draw::Pen::new(); draw::plot() + log() + kept() }";
    let case = Case {
        name: "untracked".to_owned(),
        files: vec![File {
            name: "case.rs".to_owned(),
            text: text.to_owned(),
        }],
    };
    let names = |untracked: &[&str]| {
        let reached = reach_without(&[], &case, Version::Before, untracked);
        let names: Vec<String> = reached.items.into_iter().map(|item| item.name).collect();
        names
    };
    let all = [
        "stage", "Pen", "Pen", "Pen::new", "deep", "kept", "log", "plot",
    ];
    assert_eq!(names(&[]), all);
    assert_eq!(names(&["draw", "log"]), ["stage", "kept"]);
    assert_eq!(
        names(&["draw::plot"]),
        ["stage", "Pen", "Pen", "Pen::new", "kept", "log"]
    );
    assert_eq!(
        names(&["draw::Pen", "nothing", "unknown::path"]),
        ["stage", "deep", "kept", "log", "plot"]
    );
}

#[test]
fn stages_that_are_written_alike_are_told_apart_by_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("Cargo.toml"), "[package]\nname = 'lab'");
    let file = folder.path().join("src/lib.rs");
    let module = |name: &str, value: &str| {
        format!(
            "mod {name} {{\n#[stage] pub fn stage() -> u8 {{ g() }}\nfn g() -> u8 {{ {value} }}\n}}\n"
        )
    };
    write(&file, &(module("a", "1") + &module("b", "2")));
    let mut sources = Sources::around(&file, |_| None).unwrap();
    let mut at = |line: usize| {
        let place = Place {
            file: &file,
            name: "stage",
            line: Some(line),
        };
        let stage = sources.stage(&place, |_| true)?;
        let items = sources.reach(stage, &[]).items;
        Some(items.into_iter().find(|item| item.name == "g")?.text)
    };
    assert!(at(2).unwrap().contains('1'));
    assert!(at(6).unwrap().contains('2'));
    assert!(at(3).is_none());
}

/// Returns the stage named `stage` in a file, and the sources around it.
fn stage_in(
    file: &Path,
    line: Option<usize>,
    variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> (Sources, Stage) {
    let mut sources = Sources::around(file, variable).unwrap();
    let place = Place {
        file,
        name: "stage",
        line,
    };
    let stage = sources.stage(&place, |_| true).unwrap();
    (sources, stage)
}

#[test]
fn a_file_of_a_library_and_of_a_program_is_read_in_the_one_that_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(&folder.path().join(name), text);
    write("Cargo.toml", "[package]\nname = 'lab'");
    write("src/lib.rs", "pub mod common; fn rate() -> u8 { 1 }");
    write(
        "src/main.rs",
        "mod common; fn rate() -> u8 { 2 } fn main() {}",
    );
    let stage = "#[stage] pub fn stage() -> u8 { super::rate() }";
    write("src/common.rs", stage);
    let file = folder.path().join("src/common.rs");
    let rate = |program: Option<&'static str>| {
        let variable = move |name: &str| match name {
            "CARGO_CRATE_NAME" => Some("lab".to_owned()),
            "CARGO_BIN_NAME" => program.map(str::to_owned),
            _ => None,
        };
        let (mut sources, stage) = stage_in(&file, Some(1), variable);
        let items = sources.reach(stage, &[]).items;
        let rates = items.into_iter().filter(|item| item.name == "rate");
        rates.map(|item| item.text).collect::<Vec<String>>()
    };
    assert!(matches!(&rate(None)[..], [rate] if rate.contains('1')));
    assert!(matches!(&rate(Some("lab"))[..], [rate] if rate.contains('2')));
}

#[test]
fn versions_of_crates_that_dependencies_rename_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(&folder.path().join(name), text);
    let depends = "[package]\nname = 'NAME'\n[dependencies]\n";
    let lab = depends.replace("NAME", "lab")
        + "util = { path = 'util' }\nmine = { package = 'one', version = '1' }";
    write("Cargo.toml", &lab);
    let util = depends.replace("NAME", "util") + "nd = { package = 'nd-array', version = '0.17' }";
    write("util/Cargo.toml", &util);
    let locked = |name: &str, version: &str, rest: &str| {
        format!("[[package]]\nname = '{name}'\nversion = '{version}'\n{rest}\n")
    };
    let lock = locked(
        "lab",
        "0.1.0",
        "dependencies = ['nd-array 0.16.1', 'one', 'util']",
    ) + &locked("util", "0.1.0", "dependencies = ['nd-array 0.17.2']")
        + &locked("one", "1.2.3", "source = 'registry'")
        + &locked("nd-array", "0.16.1", "source = 'registry'")
        + &locked("nd-array", "0.17.2", "source = 'registry'");
    write("Cargo.lock", &lock);
    write("util/src/lib.rs", "pub fn sum() { nd::sum() }");
    let stage = "#[stage] fn stage() { util::sum(); mine::f() }";
    write("src/lib.rs", stage);
    let file = folder.path().join("src/lib.rs");
    let (mut sources, stage) = stage_in(&file, None, |_| None);
    let crates = sources.reach(stage, &[]).crates;
    let named = crates.iter().map(|it| (&*it.name, it.version.as_deref()));
    let named: Vec<_> = named.collect();
    assert_eq!(named, [("mine", Some("1.2.3")), ("nd", Some("0.17.2"))]);
}

#[test]
fn a_module_of_several_branches_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(&folder.path().join(name), text);
    write("Cargo.toml", "[package]\nname = 'lab'");
    write("src/sums.rs", "pub fn sum() {}");
    let items = |branches: &str| {
        let stage = "#[stage] fn stage() { sums::sum() }";
        write("src/lib.rs", &format!("pick! {{ {branches} }} {stage}"));
        let file = folder.path().join("src/lib.rs");
        let (mut sources, stage) = stage_in(&file, None, |_| None);
        let reached = sources.reach(stage, &[]).items;
        assert!(reached.iter().any(|item| item.name == "sum"));
        sources.items(stage)
    };
    let one = items("if unix { mod sums; }");
    assert_eq!(
        items("if unix { mod sums; } else if wasm { mod sums; } else { mod sums; }"),
        one
    );
}

#[test]
fn changes_of_what_is_reached_count() {
    table(include_str!("cases/cases.txt"));
}

#[test]
fn changes_in_odd_places_count() {
    table(include_str!("cases/adversarial.txt"));
}

#[test]
fn changes_in_other_packages_count() {
    table(include_str!("cases/packages.txt"));
}

#[test]
fn changes_of_configs_count_where_they_are_read() {
    table(include_str!("cases/configs.txt"));
}
