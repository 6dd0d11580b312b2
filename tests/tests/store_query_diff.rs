//! Differences between two realizations.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use proptest::prelude::*;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::store::{Context, FirstDifference, Outcome, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tests::runs::{assert_says, scratch};
use tests::store::{built, config, config_on, publish_on, publish_texts};

#[test]
fn configs_field_by_field() {
    let config = |text: &str| ConfigJson::from_json(text).unwrap();
    let old = config(
        r#"{"name": "a", "same": 1, "rate": 0.5, "lr": {"a b": [1, 2, 3], "same": [1]}, "gone": null, "sort": [1],
            "empty": []}"#,
    );
    let new = config(
        r#"{"name": "b", "rate": 0.25, "same": 1.0, "lr": {"same": [1], "a b": [1, 5], "new": "x, y"}, "sort": {"0": 1},
            "empty": {}}"#,
    );
    let changes: Vec<_> = old
        .diff(&new)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        changes,
        [
            "name: \"a\" -> \"b\"",
            "rate: 0.5 -> 0.25",
            "lr[\"a b\"][1]: 2 -> 5",
            "lr[\"a b\"][2]: 3 -> (none)",
            "lr.new: (none) -> \"x, y\"",
            "gone: null -> (none)",
            "sort: [1] -> {\"0\": 1}",
            "empty: [] -> {}",
        ]
    );
    assert_eq!(old.diff(&old).unwrap(), []);
}

fn publish(store: &Store, name: &str, fill: impl Fn(&std::path::Path)) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    fill(draft.out());
    let published = draft.publish(&config(name), &Context::empty(), Outcome::Ok, &built());
    published.unwrap().id
}

#[test]
fn artifacts_by_their_hashes() {
    let (_folder, store) = scratch();
    let old = publish(&store, "a", |out| {
        fs::create_dir(out.join("folder")).unwrap();
        fs::write(out.join("folder/same"), "same").unwrap();
        fs::write(out.join("text"), "one\ntwo\nthree\n").unwrap();
        fs::write(out.join("gone"), "").unwrap();
        fs::write(out.join("mode"), "m").unwrap();
        fs::write(out.join("sort"), "file").unwrap();
        symlink("text", out.join("link")).unwrap();
    });
    let new = publish(&store, "a", |out| {
        fs::create_dir(out.join("folder")).unwrap();
        fs::write(out.join("folder/same"), "same").unwrap();
        fs::write(out.join("folder/new"), "new").unwrap();
        fs::write(out.join("text"), "one\ntwx\n").unwrap();
        fs::write(out.join("mode"), "m").unwrap();
        fs::set_permissions(out.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(out.join("sort")).unwrap();
        symlink("mode", out.join("link")).unwrap();
    });
    let diff = store.diff(&old, &new).unwrap();
    assert!(diff.fields.is_empty() && diff.only_old.is_empty() && !diff.is_empty());
    assert_eq!(
        diff.to_string(),
        "+ folder/new (3 B)\n\
         - gone (0 B)\n\
         ! link (a link to \"text\" -> a link to \"mode\")\n\
         ! mode (1 B -> 1 B, executable)\n\
         ! sort (4 B -> a folder)\n\
         ! text (14 B -> 8 B)"
    );
    let first = diff.first_difference("text").unwrap().unwrap();
    assert_eq!(
        (first.offset, first.line, first.old, first.new),
        (6, Some(2), Some(b'o'), Some(b'x'))
    );
    assert_eq!(first.to_string(), "from line 2 on (byte 6)");
    assert_eq!(diff.first_difference("mode").unwrap(), None);
    assert_says(
        &diff.first_difference("gone").unwrap_err(),
        &["is not a file on both sides"],
    );
    assert_says(
        &diff.first_difference("folder/same").unwrap_err(),
        &["does not differ"],
    );
    let same = store.diff(&old, &old).unwrap();
    assert!(same.is_empty());
    assert_eq!(same.to_string(), "nothing differs");
}

#[test]
fn what_they_were_made_from() {
    let (_folder, store) = scratch();
    let [one, two] = ["1", "2"]
        .map(|text| publish_texts(&store, &config("a"), &Context::empty(), &[("x", text)]));
    let on_a = config_on("b", &config("a"));
    let old = publish_on(&store, &on_a, &[&one], "b");
    let new = publish_on(&store, &on_a, &[&two], "b");
    let diff = store.diff(&old, &new).unwrap();
    assert_eq!(
        (&diff.only_old, &diff.only_new),
        (&vec![one.clone()], &vec![two.clone()])
    );
    assert_eq!(diff.to_string(), format!("- from {one}\n+ from {two}"));
    // Of different stages.
    let diff = store.diff(&one, &new).unwrap();
    let paths: Vec<_> = diff
        .fields
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(paths, ["name", "on"]);
    assert_eq!(diff.only_new, [two]);
    // Different outcomes.
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "1").unwrap();
    let failed = draft.publish(&config("a"), &Context::empty(), Outcome::Failed, &built());
    let diff = store.diff(&one, failed.unwrap().id).unwrap();
    assert_eq!(diff.to_string(), "ended: ok -> failed");
}

#[test]
fn damage_is_an_error() {
    let (_folder, store) = scratch();
    let [one, two] = ["1", "2"]
        .map(|text| publish_texts(&store, &config("a"), &Context::empty(), &[("x", text)]));
    let diff = store.diff(&one, &two).unwrap();
    fs::remove_file(store.out_dir(&two).join("x")).unwrap();
    assert_says(
        &diff.first_difference("x").unwrap_err(),
        &["cannot open", &two.folder()],
    );
    let record = store.realization_dir(&two).join("record");
    fs::remove_file(&record).unwrap();
    fs::write(&record, "").unwrap();
    assert_says(
        &store.diff(&one, &two).unwrap_err(),
        &[&two.to_string(), "is broken"],
    );
}

#[test]
fn long_files_differ_where_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let mut bytes = vec![b'x'; 500_000];
    bytes[10] = 0;
    fs::write(&old, &bytes).unwrap();
    bytes[400_000] = b'y';
    fs::write(&new, &bytes).unwrap();
    let first = FirstDifference::of_files(&old, &new).unwrap().unwrap();
    assert_eq!((first.offset, first.line), (400_000, None));
    assert_eq!(first.to_string(), "from byte 400000 on");
    assert!(FirstDifference::of_files(&old, folder.path().join("none")).is_err());
}

proptest! {
    #[test]
    fn the_first_difference_is_the_first(common in "[a-c\n]{0,40}", old in "[a-c\n]{0,3}", new in "[a-c\n]{0,3}") {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, rest: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("{common}{rest}")).unwrap();
            path
        };
        let first = FirstDifference::of_files(write("old", &old), write("new", &new)).unwrap();
        let same = old.bytes().zip(new.bytes()).take_while(|(one, other)| one == other).count();
        prop_assert_eq!(first.is_none(), old == new);
        if let Some(first) = first {
            prop_assert_eq!(first.offset as usize, common.len() + same);
            let before = format!("{common}{}", &old[..same]);
            prop_assert_eq!(first.line, Some(1 + before.matches('\n').count() as u64));
            prop_assert_eq!((first.old, first.new), (old.as_bytes().get(same).copied(), new.as_bytes().get(same).copied()));
        }
    }
}
