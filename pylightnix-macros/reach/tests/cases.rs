//! Whether changes to code count for a stage, for many kinds of code.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pylightnix_reach::{Place, Reached, Sources};

/// The files of a case, with their changes marked as `«before¦after»`.
type Files = BTreeMap<String, String>;

struct Case {
    name: String,
    files: Files,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for part in text.split("\n=== ").skip(1) {
        let (name, files) = part.split_once('\n').unwrap();
        let files = files.strip_prefix("--- ").unwrap().split("\n--- ");
        let files = files.map(|file| file.split_once('\n').unwrap_or((file, "")));
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        cases.push(Case {
            name: name.to_owned(),
            files: files.collect(),
        });
    }
    cases
}

/// Returns a text before or after the changes of a case. In shared files, a change has the name of its case behind it.
fn version(text: &str, is_after: bool, of: Option<&str>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once('«') {
        result += before;
        let (change, behind) = marked.split_once('»').unwrap();
        let (before, after) = change.split_once('¦').unwrap();
        rest = behind;
        let mut is_after = is_after;
        if let Some(case) = of {
            let end = behind.find(|char: char| !(char.is_alphanumeric() || char == '_'));
            let (name, after_name) = behind.split_at(end.unwrap_or(behind.len()));
            is_after &= name == case;
            rest = after_name;
        }
        result += if is_after { after } else { before };
    }
    result + rest
}

/// Writes the package of a case and reads what its stage reaches.
fn reach(folder: &Path, shared: &Files, case: &Case, is_after: bool) -> Reached {
    let src = folder.join("src");
    fs::create_dir_all(&src).unwrap();
    fs::create_dir_all(folder.join("dep/src")).unwrap();
    let manifest = "[package]\nname = 'lab'\n[dependencies]\ndep = { path = 'dep' }\nserde = '1'\nserde_json = '1'\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("dep/Cargo.toml"), "[package]\nname = 'dep'\n").unwrap();
    fs::write(
        src.join("lib.rs"),
        "#[macro_use]\npub mod shared;\npub mod case;\n",
    )
    .unwrap();
    for (name, text) in shared {
        let path = if name.starts_with("dep/") {
            folder.join(name)
        } else {
            src.join(name)
        };
        fs::write(path, version(text, is_after, Some(&case.name))).unwrap();
    }
    for (name, text) in &case.files {
        let text = version(text, is_after, None);
        fs::write(
            src.join(name),
            text.replace("pub fn stage", "#[stage] pub fn stage"),
        )
        .unwrap();
    }
    let file = src.join("case.rs");
    // What a build script makes.
    let out = folder.join("out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("gen.rs"), if is_after { "2" } else { "1" }).unwrap();
    let variable = move |name: &str| (name == "OUT_DIR").then(|| out.display().to_string());
    let mut sources = Sources::around(&file, variable).unwrap();
    let place = Place {
        file: &file,
        name: "stage",
    };
    let stage = sources
        .stage(&place, |_| true)
        .unwrap_or_else(|| panic!("{}", case.name));
    sources.reach(stage, &[])
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
    let mut all = cases(text);
    let shared = match all[0].name == "shared" {
        true => all.remove(0).files,
        false => Files::new(),
    };
    let mut wrong = Vec::new();
    for case in &all {
        let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = reach(before.path(), &shared, case, false);
        let after = reach(after.path(), &shared, case, true);
        let counts = counted(&before) != counted(&after);
        // What the text does not tell, the compiler is asked for.
        let is_asked = case.name.starts_with("HARD_")
            && !(before.conditions.is_empty() && before.variables.is_empty());
        if (counts || is_asked) == case.name.starts_with("NO_") {
            let names: Vec<&str> = before.items.iter().map(|item| item.name.as_str()).collect();
            wrong.push(format!("{}: reached {names:?}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[test]
fn changes_of_what_is_reached_count() {
    table(include_str!("cases/cases.txt"));
}
