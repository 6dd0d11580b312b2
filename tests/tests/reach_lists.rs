//! What the stages of the book's examples reach, by name: a rule that finds more or less than before is seen here.
//! `SNAPSHOTS=overwrite` rewrites `reach_lists/examples.txt`.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pylightnix_reach::Sources;

/// The packages of the examples.
fn packages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn the_stages_of_the_examples_reach_what_they_did() {
    let mut list = String::new();
    let mut count = 0;
    for folder in packages() {
        let manifest = folder.join("Cargo.toml");
        let mut sources = Sources::around(&manifest, |_| None).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy();
        for stage in sources.stages() {
            count += 1;
            let reached = sources.reach(stage.stage, &[]);
            let file = stage.place.split(':').next().unwrap();
            writeln!(list, "{name}: {} ({file})", stage.name).unwrap();
            for item in &reached.items[1..] {
                writeln!(list, "    {} {}", item.kind, item.name).unwrap();
            }
            let asked = [
                ("cfg", &reached.conditions),
                ("env", &reached.variables),
                ("unseen", &reached.unseen),
            ];
            for (kind, values) in asked {
                for value in values {
                    writeln!(list, "    {kind} {value}").unwrap();
                }
            }
        }
    }
    // Each example has a stage at least.
    assert!(count >= packages().len(), "{count}");
    snapbox::Assert::new()
        .action_env("SNAPSHOTS")
        .eq(list, snapbox::file!["reach_lists/examples.txt"].raw());
}
