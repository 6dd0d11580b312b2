//! Published realizations have all promised artifacts, and their links lead to published artifacts.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::*;
use pylightnix::realize::{Action, Reason};
use pylightnix::store::{Context, Outcome, Store};
use pylightnix::{BoxError, ErrorKind};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use tests::runs::{Told, scratch};
use tests::store::{built, by_older_rules, config, objects, publish, publish_texts, store};

/// Returns a config that promises `a/note`.
fn promising() -> ConfigJson {
    let text = r#"{"name": "stage", "inside": {"list": [1, ["__self__", "a", "note"]]}}"#;
    ConfigJson::from_json(text).unwrap()
}

#[test]
fn publishing_refuses_what_could_not_be_read_elsewhere() {
    let (_folder, store) = store();
    type Fill = Box<dyn Fn(&Path)>;
    let cases: [(ConfigJson, Fill, &str); 8] = [
        (
            config("stage"),
            Box::new(|out| symlink("/etc/hostname", out.join("link")).unwrap()),
            "out/link: it is a link that leads out of its artifacts, to /etc/hostname",
        ),
        (
            config("stage"),
            Box::new(|out| symlink("../x", out.join("link")).unwrap()),
            "leads out",
        ),
        (
            config("stage"),
            Box::new(|out| symlink("x/y", out.join("link")).unwrap()),
            "out/link: it is a link to x/y, which does not exist",
        ),
        (
            config("stage"),
            Box::new(|out| symlink("link", out.join("link")).unwrap()),
            "out/link: it is a link to link, which does not exist",
        ),
        (
            config("stage"),
            Box::new(|out| {
                let nowhere = out.join("nowhere");
                symlink(nowhere, out.join("link")).unwrap();
            }),
            "out/link: it is a link to nowhere, which does not exist",
        ),
        (
            promising(),
            Box::new(|_| ()),
            "out/a/note: it is promised by the config and missing",
        ),
        (
            promising(),
            Box::new(|out| {
                fs::create_dir(out.join("a")).unwrap();
                symlink("nowhere", out.join("a/note")).unwrap();
            }),
            "out/a/note: it is promised by the config and missing: it is a link to nowhere",
        ),
        (
            promising(),
            Box::new(|out| symlink("/etc", out.join("a")).unwrap()),
            "out/a/note: it is promised by the config and missing",
        ),
    ];
    for (config, fill, why) in cases {
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("x"), "x").unwrap();
        fill(draft.out());
        let error = publish(&mut draft, &config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stage);
        let report = format!("{error:?}");
        assert!(report.contains(why), "{why:?} is not in {report}");
        assert!(report.contains("help: have the stage write"), "{report}");
        // Nothing was sealed: the output can be corrected and published.
        for link in ["link", "a/note", "a"] {
            fs::remove_file(draft.out().join(link)).ok();
        }
        fs::create_dir_all(draft.out().join("a")).unwrap();
        fs::write(draft.out().join("a/note"), "n").unwrap();
        publish(&mut draft, &config).unwrap();
    }
    // A failure has no promises to keep.
    let mut failure = store.plumbing().draft().unwrap();
    let none = Context::empty();
    let outcome = failure.publish(&promising(), &none, Outcome::Failed, &built());
    assert!(outcome.unwrap().new);
}

/// A stage with one artifact.
#[derive(Config)]
struct Note {
    text: String,
    #[selfref("note")]
    note: SelfRef<Text>,
}

#[stage]
fn note(b: &Build<Note>) -> Result<NoteOutputs, BoxError> {
    Ok(NoteOutputs {
        note: b.note.save(&b.text)?,
    })
}

#[test]
fn what_lacks_a_promise_is_made_again_and_stays() {
    let (_folder, store) = scratch();
    let plan = instantiate(Note::new("a".to_owned())).unwrap();
    let id = store.realize(&plan).unwrap().id().clone();
    let lacking = by_older_rules(&store, &id, |out| {
        fs::remove_file(out.join("note")).unwrap()
    });
    let before = objects(&store);
    // Twice: from the folder, and from the index.
    for _ in 0..2 {
        let planned = store.plan(&plan).unwrap();
        let Action::Build { reason, .. } = &planned.steps[0].action else {
            unreachable!("{planned}")
        };
        assert_eq!(*reason, Reason::Lacking);
        assert!(
            store
                .plumbing()
                .candidates(lacking.dref(), &Context::empty())
                .unwrap()
                .is_empty()
        );
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    assert_eq!(
        store.realizations_of(lacking.dref()).unwrap()[0].id,
        lacking
    );
    let again = store.realize(&plan).unwrap();
    assert_eq!((again.id(), &*again.note.load().unwrap()), (&id, "a"));
    let now = objects(&store);
    assert!(
        before
            .iter()
            .all(|(path, bytes)| now.get(path) == Some(bytes))
    );
    // It is the only candidate now, and a hit.
    let told = Told::default();
    let found = Realize::new(&store).observer(&told).run(&plan).unwrap();
    assert_eq!(found.id(), &id);
    assert_eq!(told.of("started"), Vec::<String>::new());
}

#[test]
fn a_config_that_cannot_be_read_promises_nothing_for_now() {
    let (_folder, store) = store();
    let id = publish_texts(&store, &promising(), &Context::empty(), &[("a/note", "n")]);
    let lacking = by_older_rules(&store, &id, |out| {
        fs::remove_file(out.join("a/note")).unwrap()
    });
    let config = store.derivation_dir(id.dref()).join("config.json");
    let text = fs::read(&config).unwrap();
    let candidates = || {
        store
            .plumbing()
            .candidates(id.dref(), &Context::empty())
            .unwrap()
            .len()
    };
    fs::remove_file(&config).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!((candidates(), candidates()), (1, 1));
    fs::write(&config, text).unwrap();
    assert_eq!(candidates(), 0);
    assert!(store.has(&lacking).unwrap());
}

/// Creates a store with a realization that lacks a promised artifact, and one with a dangling link.
fn old() -> (tempfile::TempDir, Store, [RRefId; 2]) {
    let (folder, store) = store();
    let lacking = publish_texts(&store, &promising(), &Context::empty(), &[("a/note", "n")]);
    let lacking = by_older_rules(&store, &lacking, |out| {
        fs::remove_file(out.join("a/note")).unwrap();
    });
    let linking = publish_texts(&store, &config("links"), &Context::empty(), &[("x", "x")]);
    let linking = by_older_rules(&store, &linking, |out| {
        symlink("nowhere", out.join("link")).unwrap();
    });
    (folder, store, [lacking, linking])
}

#[test]
fn what_was_published_by_older_rules_is_sound_and_stays() {
    let (_folder, store, [lacking, linking]) = old();
    let before = objects(&store);
    let report = store.check().contents().run().unwrap();
    assert!(report.is_sound() && report.faults.is_empty(), "{report}");
    let notes: Vec<_> = report
        .notes
        .iter()
        .map(|note| (&note.rref, note.is_promised))
        .collect();
    assert_eq!(notes.len(), 2);
    assert!(
        notes.contains(&(&lacking, true)) && notes.contains(&(&linking, false)),
        "{notes:?}"
    );
    let text = report.to_string();
    assert!(
        text.contains("out/a/note is promised by the config and missing\n  note: "),
        "{text}"
    );
    let repaired = store.repair().run().unwrap();
    assert!(
        repaired.repaired.is_empty() && repaired.left.is_empty(),
        "{repaired}"
    );
    assert_eq!(objects(&store), before);
    // A link alone is not a promise.
    let found = store
        .plumbing()
        .candidates(linking.dref(), &Context::empty())
        .unwrap();
    assert_eq!(found.len(), 1);
}

/// Replaces the content of an artifact.
fn damage(store: &Store, rref: &RRefId) {
    let path = store.out_dir(rref).join("x");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, "y").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
}

#[test]
fn what_is_brought_to_a_damaged_copy_of_itself_is_no_success() {
    let (folder, from) = store();
    let (_other, to) = store();
    let a = publish_texts(&from, &config("a"), &Context::empty(), &[("x", "x")]);
    let b = publish_texts(&from, &config("b"), &Context::empty(), &[("x", "x")]);
    let archive = folder.path().join("both.zip");
    from.pack([&a, &b], &archive).unwrap();
    to.copy_from(&from, [&a]).unwrap();
    damage(&to, &a);
    let before = objects(&to);
    for error in [
        to.copy_from(&from, [&a, &b]).unwrap_err(),
        to.unpack(&archive).unwrap_err(),
    ] {
        let report = format!("{error:?}");
        assert!(report.contains("already, and is damaged"), "{report}");
        assert!(
            report.contains("out/x does not match the digest"),
            "{report}"
        );
        assert!(report.contains("`repair`"), "{report}");
        assert_eq!(objects(&to), before);
    }
    // Publishing the same result again fails as well.
    let again = || {
        let mut draft = to.plumbing().draft().unwrap();
        fs::write(draft.out().join("x"), "x").unwrap();
        publish(&mut draft, &config("a"))
    };
    let error = again().unwrap_err().to_string();
    assert!(error.contains("already, and is damaged"), "{error}");
    // Follow the advice.
    to.repair().run().unwrap();
    assert!(again().unwrap().new && !again().unwrap().new);
    damage(&to, &a);
    to.repair().run().unwrap();
    assert_eq!(to.unpack(&archive).unwrap(), [a.clone(), b.clone()]);
    assert!(to.check().contents().run().unwrap().faults.is_empty());
    damage(&to, &a);
    to.repair().with(&from).run().unwrap();
    assert_eq!(to.copy_from(&from, [&a, &b]).unwrap(), [a, b]);
    assert!(to.check().contents().run().unwrap().faults.is_empty());
}
