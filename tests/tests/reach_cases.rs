//! Whether the cases of `pylightnix-reach` are true: the changes that have to count change what the stage gives, and the
//! others do not.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

#[path = "../../pylightnix-macros/reach/tests/cases/format.rs"]
mod format;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use format::{Case, Suite, Version, suite};

/// Cases whose change shows only in another environment, or in no output.
const NOT_SHOWN: [&str; 6] = [
    // The environment tells what they give, and the cases change nothing.
    "HARD_out_dir",
    "HARD_env",
    "HARD_build_rs_const",
    "HARD_feature_toggle",
    "HARD_debug_assertions",
    // No index of a registry is there to be patched.
    "patched_dependency",
];

/// The manifest of a program, without the name of the package.
const MANIFEST: &str = r#"[package]
edition = "2024"
[workspace]
[dependencies]
dep = { path = "dep" }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
[profile.dev]
debug = 0
"#;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("reach_cases")
}

fn folder(name: &str, version: Version) -> PathBuf {
    root().join(name).join(format!("{version:?}"))
}

/// Runs a package and returns what it prints.
///
/// For Cargo both versions of a package are the same one. It compiles the second anew because its files are written after it
/// compiled the first.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", root().join("target"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", folder.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Writes a program that holds all cases of a file, and returns what each stage gives.
fn program(name: &str, suite: &Suite, version: Version) -> BTreeMap<String, String> {
    let root = folder(name, version);
    let locked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    write(
        &root.join("Cargo.lock"),
        &fs::read_to_string(locked).unwrap(),
    );
    let manifest = MANIFEST.replacen("\n", &format!("\nname = \"{name}\"\n"), 1);
    write(&root.join("Cargo.toml"), &manifest);
    write(
        &root.join("dep/Cargo.toml"),
        "[package]\nname = \"dep\"\nedition = \"2024\"\n",
    );
    for file in &suite.shared {
        let path = match file.name.starts_with("dep/") {
            true => root.join(&file.name),
            false => root.join("src").join(&file.name),
        };
        write(&path, &file.shared_version(|_| version));
    }
    let mut modules = String::new();
    let mut calls = String::new();
    for case in shown(suite) {
        for file in case.sources() {
            let text = file.version(version).replace("#[stage]", "");
            write(&root.join("src").join(&case.name).join(&file.name), &text);
        }
        let name = &case.name;
        modules += &format!("mod {name} {{ pub mod case; }}\n");
        if has(case, "setup") {
            calls += &format!("    {name}::case::setup();\n");
        }
        let call = if has(case, "call") { "call" } else { "stage" };
        calls += &format!("    println!(\"{name}\\t{{:?}}\", {name}::case::{call}());\n");
    }
    let main = format!(
        "#![allow(warnings)]\n#[macro_use]\nmod shared;\n{modules}\nfn main() {{\n{calls}}}\n"
    );
    write(&root.join("src/main.rs"), &main);
    let printed = run(&root, &[]);
    let lines = printed.lines().map(|line| line.split_once('\t').unwrap());
    lines
        .map(|(name, given)| (name.to_owned(), given.to_owned()))
        .collect()
}

/// Returns whether a case has a function of this name.
fn has(case: &Case, function: &str) -> bool {
    case.sources().any(|file| file.has(function))
}

fn shown(suite: &Suite) -> impl Iterator<Item = &Case> {
    let cases = suite.cases.iter();
    cases.filter(|case| !NOT_SHOWN.contains(&case.name.as_str()))
}

fn compare(suite: &Suite, given: impl Fn(&Case, Version) -> String) {
    let mut wrong = Vec::new();
    for case in shown(suite) {
        let before = given(case, Version::Before);
        let after = given(case, Version::After);
        if (before != after) != case.counts() {
            wrong.push(format!("{}: {before} and {after}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(name: &str, text: &str) {
    let suite = suite(text);
    let before = program(name, &suite, Version::Before);
    let after = program(name, &suite, Version::After);
    compare(&suite, |case, version| {
        let all = match version {
            Version::Before => &before,
            Version::After => &after,
        };
        all[&case.name].clone()
    });
}

#[test]
fn cases_of_what_is_reached_are_true() {
    check(
        "cases",
        include_str!("../../pylightnix-macros/reach/tests/cases/cases.txt"),
    );
}

#[test]
fn cases_of_odd_places_are_true() {
    check(
        "adversarial",
        include_str!("../../pylightnix-macros/reach/tests/cases/adversarial.txt"),
    );
}

#[test]
fn cases_of_other_packages_are_true() {
    let text = include_str!("../../pylightnix-macros/reach/tests/cases/packages.txt");
    let suite = suite(text);
    compare(&suite, |case, version| {
        let root = folder(&case.name, version);
        for file in case.sources() {
            write(
                &root.join(file.name.trim_start_matches('/')),
                &file.version(version),
            );
        }
        let mut arguments = case.run().unwrap();
        let package = root.join(arguments.remove(0));
        run(&package, &arguments)
    });
}
