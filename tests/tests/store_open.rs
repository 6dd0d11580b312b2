//! Opening stores, and errors for folders that are not stores or are damaged.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::ErrorKind;
use pylightnix::store::{Context, Store};
use std::fs;
use std::path::Path;
use tests::store::{config, folder, publish_texts, snapshot, store};

fn refused(root: &Path, why: &str) -> String {
    let before = fs::metadata(root)
        .is_ok_and(|root| root.is_dir())
        .then(|| snapshot(root));
    let error = Store::open(root).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(why), "{text}");
    assert!(text.contains(root.to_str().unwrap()), "{text}");
    if let Some(before) = before {
        assert_eq!(snapshot(root), before);
    }
    format!("{error:?}")
}

#[test]
fn missing_and_empty_folders_become_stores() {
    let folder = folder();
    for root in [folder.path().join("a/b"), folder.path().join("c")] {
        if root.ends_with("c") {
            fs::create_dir(&root).unwrap();
        }
        let store = Store::open(&root).unwrap();
        assert_eq!(store.root(), root);
        assert_eq!(
            fs::read_to_string(root.join("format.json")).unwrap(),
            "{\"format\": \"pylightnix-store\", \"version\": 1}\n"
        );
        assert!(store.rrefs().unwrap().is_empty());
        Store::open(&root).unwrap();
    }
}

#[test]
fn what_was_cut_short_is_completed() {
    let folder = folder();
    let root = folder.path();
    fs::write(root.join(".format.json-x"), "{\"for").unwrap();
    Store::open(root).unwrap();
    // Every missing folder is recreated, whether it is needed for reading or only for writing.
    for name in ["store-v1", "tmp", "cache", "code", "locks", "failed"] {
        fs::remove_dir_all(root.join(name)).unwrap();
        let store = Store::open(root).unwrap();
        publish_texts(&store, &config("a"), &Context::empty(), &[("x", "1")]);
    }
}

#[test]
fn many_open_at_once() {
    let folder = folder();
    let root = folder.path().join("store");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| Store::open(&root).unwrap());
        }
    });
}

#[test]
fn anything_else_is_refused() {
    let folder = folder();
    let root = folder.path();
    let file = root.join("file");
    fs::write(&file, "").unwrap();
    refused(&file, "it is a file, not a folder");
    assert!(
        Store::open(file.join("below"))
            .unwrap_err()
            .to_string()
            .contains("a file")
    );

    let foreign = root.join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    let report = refused(&foreign, "it holds \"thesis.tex\" and no `format.json`");
    assert!(report.contains("help: give a folder that is empty or does not exist yet"));

    let python = root.join("python");
    fs::create_dir_all(python.join("store-v0")).unwrap();
    fs::create_dir_all(python.join("aaa")).unwrap();
    let report = refused(&python, "a store of the Python package pylightnix");
    assert!(report.contains("`pylightnix import "), "{report}");

    for (name, text, why) in [
        (
            "newer",
            "{\"format\": \"pylightnix-store\", \"version\": 2, \"more\": {}}",
            "has version 2, and this library reads version 1",
        ),
        (
            "older",
            "{\"format\": \"pylightnix-store\", \"version\": 0}",
            "has version 0, and this library reads version 1",
        ),
        (
            "other",
            "{\"format\": \"something\", \"version\": 1}",
            "its `format.json` says \"something\"",
        ),
        (
            "torn",
            "{\"format\": \"pyl",
            "its `format.json` does not say `pylightnix-store`",
        ),
        (
            "list",
            "[]",
            "its `format.json` does not say `pylightnix-store`",
        ),
    ] {
        let place = root.join(name);
        fs::create_dir(&place).unwrap();
        fs::write(place.join("format.json"), text).unwrap();
        let report = refused(&place, why);
        for made_by in ["newer", "older"] {
            let says = report.contains(&format!("{made_by} pylightnix made it"));
            assert_eq!(says, name == made_by, "{report}");
        }
    }

    let odd = root.join("odd");
    Store::open(&odd).unwrap();
    fs::remove_dir(odd.join("store-v1")).unwrap();
    fs::write(odd.join("store-v1"), "").unwrap();
    refused(&odd, "its `store-v1` is a file");
}

#[test]
fn the_default_place() {
    let folder = folder();
    // In a child process, because the environment of this process is shared by all its tests.
    for (variable, root) in [("PYLIGHTNIX_ROOT", "here"), ("HOME", "_pylightnix")] {
        let mut child = tests::store::child("open the default", folder.path());
        child
            .env_remove("PYLIGHTNIX_ROOT")
            .env("HOME", folder.path());
        if variable != "HOME" {
            child.env(variable, folder.path().join(root));
        }
        assert!(child.status().unwrap().success());
        assert!(folder.path().join(root).join("format.json").exists());
    }
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    if let Some((part, _)) = tests::store::part() {
        assert_eq!(part, "open the default");
        Store::open_default().unwrap();
    }
}

#[test]
fn what_is_not_there_is_missing() {
    let (_folder, store) = store();
    let config = config("stage");
    let error = store.config(config.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    let id = publish_texts(&store, &config, &Context::empty(), &[]);
    fs::remove_dir_all(store.realization_dir(&id)).unwrap();
    let error = store.realization(&id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains(&id.to_string()));
    assert!(store.record(&id).is_err());
}

#[test]
fn broken_configs_are_named() {
    let (_folder, store) = store();
    let config = config("stage");
    store.plumbing().add_derivation(&config).unwrap();
    let path = store.derivation_dir(config.id()).join("config.json");
    let refused = || {
        let again = Store::open(store.root())
            .unwrap()
            .with_durability(pylightnix::store::Durability::None);
        for error in [
            store.config(config.id()).unwrap_err(),
            again.plumbing().add_derivation(&config).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Store);
            let report = format!("{error:?}");
            assert!(report.contains(path.to_str().unwrap()), "{report}");
            assert!(report.contains("help: `sha256sum config.json`"), "{report}");
        }
    };
    for bytes in [
        "",
        "{}",
        "\0\0\0\0",
        "{\n    \"name\": \"other\"\n}",
        "{\n    \"name\": \"stage\"\n} ",
    ] {
        fs::write(&path, bytes).unwrap();
        refused();
    }
    // A missing config is rewritten by a process that has it.
    fs::remove_file(&path).unwrap();
    assert_eq!(
        store.config(config.id()).unwrap_err().kind(),
        ErrorKind::Store
    );
    let again = Store::open(store.root()).unwrap();
    again.plumbing().add_derivation(&config).unwrap();
    assert_eq!(store.config(config.id()).unwrap().text(), config.text());
}

#[test]
fn broken_records_are_named() {
    let (_folder, store) = store();
    let config = config("stage");
    let id = publish_texts(&store, &config, &Context::empty(), &[("x", "1")]);
    let path = store.realization_dir(&id).join("record");
    let text = fs::read(&path).unwrap();
    let refused = || {
        let draft = || {
            let mut draft = store.plumbing().draft().unwrap();
            fs::write(draft.out().join("x"), "1").unwrap();
            tests::store::publish(&mut draft, &config).unwrap_err()
        };
        for error in [
            store
                .plumbing()
                .candidates(config.id(), &Context::empty())
                .unwrap_err(),
            store.realization(&id).unwrap_err(),
            store.record(&id).unwrap_err(),
            draft(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Store, "{error}");
            let report = format!("{error:?}");
            let folder = store.realization_dir(&id);
            assert!(report.contains(folder.to_str().unwrap()), "{report}");
            assert!(report.contains("help: move "), "{report}");
        }
    };
    for bytes in [
        &b""[..],
        b"\0\0\0",
        b"\xff",
        &text[..text.len() - 1],
        b"pylightnix-realization-v1\n",
    ] {
        fs::write(&path, bytes).unwrap();
        refused();
    }
    fs::remove_file(&path).unwrap();
    refused();
    fs::write(&path, &text).unwrap();
    store.realization(&id).unwrap();
}

#[test]
fn a_file_where_a_folder_should_be_is_named() {
    let (_folder, store) = store();
    let config = config("stage");
    let at = store.derivation_dir(config.id());
    fs::write(&at, "").unwrap();
    let error = store
        .plumbing()
        .candidates(config.id(), &Context::empty())
        .unwrap_err();
    assert!(error.to_string().contains(at.to_str().unwrap()), "{error}");
    let mut draft = store.plumbing().draft().unwrap();
    let error = tests::store::publish(&mut draft, &config).unwrap_err();
    assert!(error.to_string().contains(at.to_str().unwrap()), "{error}");
}

#[test]
fn unknown_entries_are_passed_over() {
    let (_folder, store) = store();
    let config = config("stage");
    let id = publish_texts(&store, &config, &Context::empty(), &[]);
    let objects = store.root().join("store-v1");
    fs::write(objects.join("README"), "").unwrap();
    fs::create_dir(objects.join("lost+found")).unwrap();
    fs::write(store.derivation_dir(config.id()).join("note"), "").unwrap();
    assert_eq!(store.rrefs().unwrap(), [id]);
    assert_eq!(
        store
            .plumbing()
            .candidates(config.id(), &Context::empty())
            .unwrap()
            .len(),
        1
    );
}
