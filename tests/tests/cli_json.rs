//! The keys and the types of values that `--json` prints for every command. Programs rely on them: keys may be added, but
//! not removed. `SNAPSHOTS=overwrite` rewrites `cli_json/keys.txt`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pylightnix::store::RunRecord;
use serde_json::Value;
use snapbox::assert_data_eq;
use tests::line::Line;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");
const EXPERIMENT: &str = env!("CARGO_BIN_EXE_experiment");
const TUNED: &str = env!("CARGO_BIN_EXE_tuned");
const EDITED: &str = env!("CARGO_BIN_EXE_edited");

/// Collects the paths in a JSON value, each with the types of its values. All items of a list have the same path.
fn keys(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let sort = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "truth",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    found.entry(path.to_owned()).or_default().insert(sort);
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| keys(item, &format!("{path}[]"), found)),
        Value::Object(entries) => entries.iter().for_each(|(key, item)| {
            keys(item, &format!("{path}.{key}"), found);
        }),
        _ => {}
    }
}

/// Runs a command, and appends the keys of its answer.
fn ask(line: &Line, arguments: &str, shown: &mut String) {
    let said = line.say(&format!("{arguments} --json"));
    let value: Value = serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{arguments}: {error}: {said:?}"));
    let mut found = BTreeMap::new();
    keys(&value, "", &mut found);
    writeln!(shown, "# {arguments}").unwrap();
    for (path, sorts) in found {
        let sorts: Vec<_> = sorts.into_iter().collect();
        let path = if path.is_empty() { "." } else { &path };
        writeln!(shown, "{path}: {}", sorts.join(" or ")).unwrap();
    }
    shown.push('\n');
}

/// Damages an artifact.
fn damage(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, "damaged").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

#[test]
fn no_key_goes() {
    let line = Line::new(STORE);
    let mut shown = String::new();
    let mut asked = BTreeSet::new();
    let mut ask_store = |arguments: &str| {
        asked.insert(arguments.split(' ').next().unwrap().to_owned());
        ask(&line, arguments, &mut shown);
    };
    for arguments in [
        "list",
        "list --derivations",
        "show mean",
        "show plot",
        "path mean mean.json",
        "path mean --derivation",
        "tree plot",
        "log numbers --list",
        "find mean --metric mean.json:value",
        "diff mean@2 mean",
        "diff numbers plot --contents",
        "compare mean",
        "compare numbers",
        "why mean",
        "why numbers@2",
        "graph plot",
        "graph",
        "du",
        "du plot --closure --realizations",
        "stats",
        "link mean result",
        "link mean folder --derivation",
        "rm plot@1 --dry-run",
        "gc --dry-run",
        "params diff mean@2 mean",
    ] {
        ask_store(arguments);
    }
    assert_eq!(line.say("roots --add best plot").code, 0);
    assert_eq!(line.say("remote add team ./shared").code, 0);
    ask_store("remote list");
    for arguments in ["note plot well drawn", "tag plot best", "show plot"] {
        ask_store(arguments);
    }
    for arguments in [
        "roots",
        "pack all.zip plot",
        "pack every.zip --all",
        "copy plot --to other",
        "copy --all --to more",
        "unpack all.zip --store third",
        "export plot --python python",
        "import python --store fifth",
        "push plot --as best --remote ./shared",
        "pull best --remote ./shared --store fourth",
        "remote ls --remote ./shared",
        "remote roots --remote ./shared",
        "remote verify --remote ./shared",
        "confirm plot --remote ./shared",
        "remote gc --newer-than 0s --remote ./shared",
        "check --contents",
    ] {
        ask_store(arguments);
    }
    let plot = line.store.out_dir(line.newest("plot"));
    damage(&plot.join("plot.svg"));
    let numbers = line.store.out_dir(line.newest("numbers"));
    fs::set_permissions(
        numbers.join("numbers.json"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let mean = line.store.out_dir(line.newest("mean@2"));
    damage(&mean.join("mean.json"));
    for arguments in ["check --contents", "repair --from other"] {
        ask_store(arguments);
    }
    assert_eq!(line.say("key generate me").code, 0);
    assert_eq!(line.say("key sign plot").code, 0);
    for arguments in ["key list", "show plot", "site pages plot"] {
        ask_store(arguments);
    }
    let mut record = RunRecord::now("experiment", ["mean".to_owned()]);
    record.commit = None;
    let journal = line.store.begin_run(&record, "{}").unwrap();
    journal
        .event(r#"{"event": "ended", "time": "2026-01-01T00:00:00Z"}"#)
        .unwrap();
    for arguments in ["runs", "runs show -1", "tasks", "cancel"] {
        ask_store(arguments);
    }
    // A new command has to be added to this test.
    let help = line.out("--help");
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let without = ["", "attach", "cat", "completions", "serve", "man", "help"];
    for name in names.filter(|name| !without.contains(name)) {
        assert!(asked.contains(name), "`{name}` is not asked");
    }
    let tuned = Line::empty(TUNED);
    assert_eq!(tuned.say("run --quiet --set threads=2").code, 0);
    assert_eq!(tuned.say("run --quiet --set clusters=2").code, 0);
    for arguments in [
        "params --set threads=2",
        "params diff report@2 report",
        "show fit",
    ] {
        ask(&tuned, arguments, &mut shown);
    }
    let edited = Line::empty(EDITED);
    assert_eq!(edited.say("run --quiet").code, 0);
    for arguments in [
        "accept --changed show --code both --dry-run",
        "accept --changed normalise --code same --dry-run",
        "accept --changed normalise --code other --check",
    ] {
        ask(&edited, arguments, &mut shown);
    }
    let line = Line::empty(EXPERIMENT);
    for arguments in ["plan", "run --quiet -o result", "plan", "why mean", "graph"] {
        ask(&line, arguments, &mut shown);
    }
    let failed = line.say("run broken --quiet");
    assert_eq!(failed.code, 1, "{failed:?}");
    for arguments in ["plan --force numbers", "plan broken", "roots", "log broken"] {
        ask(&line, arguments, &mut shown);
    }
    assert_data_eq!(shown, snapbox::file!["cli_json/keys.txt"].raw());
}
