//! Notes and tags: they are found and shown, come together from several machines, and count nowhere.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::prelude::*;
use pylightnix::store::{Context, Pack, RemarkKind, Store};
use std::fs;
use std::path::PathBuf;
use std::thread;
use tests::line::Line;
use tests::store::{config, publish_texts, store};

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");

fn one(store: &Store, name: &str) -> RRefId {
    publish_texts(store, &config(name), &Context::empty(), &[("x", name)])
}

fn texts(store: &Store, rref: &RRefId) -> Vec<String> {
    let remarks = store.realization(rref).unwrap().remarks();
    remarks.into_iter().map(|remark| remark.text).collect()
}

/// The files of the build records of a realization.
fn records(store: &Store, rref: &RRefId) -> Vec<PathBuf> {
    let files = fs::read_dir(store.realization(rref).unwrap().folder()).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect()
}

#[test]
fn they_are_added_and_retracted() {
    let (_folder, store) = store();
    let rref = one(&store, "train");
    let before = store.realization(&rref).unwrap();
    let note = store.note(&rref, "a kink at step 300").unwrap();
    store.tag(&rref, "best").unwrap();
    store.tag(&rref, "best").unwrap();
    store.tag(&rref, "v1.0").unwrap();
    let found = store.realization(&rref).unwrap();
    assert_eq!(texts(&store, &rref), ["a kink at step 300", "best", "v1.0"]);
    assert_eq!(found.tags(), ["best", "v1.0"]);
    let first = &found.remarks()[0];
    assert_eq!((first.id, first.kind), (note, RemarkKind::Note));
    assert!(!first.user.is_empty() && !first.host.is_empty());

    // They are no builds, whoever reads them and however.
    assert_eq!((found.builds().len(), found.build_count()), (1, 1));
    assert_eq!(found.last_built(), before.last_built());
    let listed = store.realizations_of(rref.dref()).unwrap();
    assert_eq!((listed[0].build_count(), listed[0].builds().len()), (1, 1));
    assert_eq!(listed[0].tags(), ["best", "v1.0"]);

    store.retract(&rref, note).unwrap();
    assert!(store.untag(&rref, "best").unwrap());
    assert!(!store.untag(&rref, "best").unwrap());
    assert_eq!(texts(&store, &rref), ["v1.0"]);
    assert_eq!(
        store.realizations_of(rref.dref()).unwrap()[0].tags(),
        ["v1.0"]
    );
    store.tag(&rref, "best").unwrap();
    assert_eq!(texts(&store, &rref), ["v1.0", "best"]);
    assert!(store.check().contents().run().unwrap().is_sound());
}

#[test]
fn what_is_none_is_refused() {
    let (_folder, store) = store();
    let rref = one(&store, "train");
    for tag in ["", "2", "a b", "a/b", "a@b", "\u{1b}[31m", &"a".repeat(101)] {
        let error = store.tag(&rref, tag).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reference, "{tag:?}: {error:?}");
    }
    for note in ["", " \n", &"a".repeat(70_000)] {
        assert_eq!(
            store.note(&rref, note).unwrap_err().kind(),
            ErrorKind::Reference
        );
    }
    assert_eq!(records(&store, &rref).len(), 1);
    let (_other, other) = tests::store::store();
    assert_eq!(
        other.note(&rref, "lost").unwrap_err().kind(),
        ErrorKind::Missing
    );
    let unknown = store.note(&rref, "known").unwrap();
    store.retract(&rref, unknown).unwrap();
    assert_eq!(
        store.retract(&rref, unknown).unwrap_err().kind(),
        ErrorKind::Missing
    );
}

#[test]
fn results_are_found_by_them() {
    let (_folder, store) = store();
    let [train, other] = ["train", "other"].map(|name| one(&store, name));
    store.tag(&train, "best").unwrap();
    store.note(&other, "The loss has a Kink").unwrap();
    let found = |condition: &str| -> Vec<RRefId> {
        let found = store.find().meets(condition).run().unwrap();
        found.map(|found| found.unwrap().id().clone()).collect()
    };
    assert_eq!(found("tag:best"), std::slice::from_ref(&train));
    assert_eq!(found("tag:bes"), []);
    assert_eq!(found("note:kink"), std::slice::from_ref(&other));
    assert_eq!(found("note:best"), []);
    assert_eq!(store.refer_to_realization("train@best").unwrap(), train);
    let error = store.refer_to_realization("train@beste").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(format!("{error:?}").contains("its tags") || format!("{error:?}").contains("`tag`"));
    let mut table = store.compare([&train, &other]).unwrap();
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert!(
        names.contains(&"tags") && names.contains(&"notes"),
        "{names:?}"
    );
    table.retain("tag:best").unwrap();
    assert_eq!(table.rows.len(), 1);
    assert!(
        store
            .why(&other)
            .unwrap()
            .to_string()
            .contains("note: The loss has a Kink")
    );
}

#[test]
fn those_of_two_machines_come_together() {
    let (_one, mine) = store();
    let (_two, yours) = store();
    let rref = one(&mine, "train");
    mine.tag(&rref, "best").unwrap();
    yours.copy_from(&mine, [&rref]).unwrap();
    assert_eq!(texts(&yours, &rref), ["best"]);
    // The tag that both know is removed here, and another one of the same name is set there.
    mine.untag(&rref, "best").unwrap();
    mine.note(&rref, "mine").unwrap();
    yours.note(&rref, "yours").unwrap();
    yours.tag(&rref, "shown").unwrap();
    yours.copy_from(&mine, [&rref]).unwrap();
    let archive = yours.root().join("../archive.zip");
    yours.pack([&rref], &archive).unwrap();
    mine.unpack(&archive).unwrap();
    assert_eq!(texts(&mine, &rref), ["mine", "yours", "shown"]);
    assert_eq!(texts(&yours, &rref), texts(&mine, &rref));
    let (_three, new) = store();
    new.unpack(&archive).unwrap();
    assert_eq!(texts(&new, &rref), texts(&mine, &rref));
    // They say who wrote them.
    Pack::new(&mine)
        .without_builds()
        .write([&rref], &archive)
        .unwrap();
    let (_four, bare) = store();
    bare.unpack(&archive).unwrap();
    assert_eq!(texts(&bare, &rref), Vec::<String>::new());
    // A result without build records can have notes all the same.
    bare.tag(&rref, "bare").unwrap();
    assert_eq!(texts(&bare, &rref), ["bare"]);
    for store in [&mine, &yours, &new, &bare] {
        assert!(store.check().contents().run().unwrap().is_sound());
    }
}

#[test]
fn many_at_once_all_stay() {
    let line = Line::new(STORE);
    thread::scope(|scope| {
        for n in 0..8 {
            let line = &line;
            scope.spawn(move || {
                for m in 0..3 {
                    assert_eq!(line.say(&format!("note plot number {n} {m}")).code, 0);
                    assert_eq!(line.say(&format!("tag plot t{n}")).code, 0);
                }
            });
        }
    });
    let rref = line.newest("plot");
    let remarks = line.store.realization(&rref).unwrap().remarks();
    let notes = remarks
        .iter()
        .filter(|remark| remark.kind == RemarkKind::Note);
    assert_eq!(notes.count(), 24);
    assert_eq!(line.store.realization(&rref).unwrap().tags().len(), 8);
    assert!(line.store.check().run().unwrap().is_sound());
}

#[test]
fn they_go_with_the_result() {
    let (folder, store) = store();
    let rref = one(&store, "train");
    store.tag(&rref, "best").unwrap();
    drop(store);
    let opened = Store::open(folder.path().join("store")).unwrap();
    let (_unused, store) = tests::store::unused(&opened);
    store.gc().run().unwrap();
    assert!(!store.has(&rref).unwrap());
    assert_eq!(
        fs::read_dir(store.root().join("store-v1")).unwrap().count(),
        0
    );
    assert!(store.check().run().unwrap().is_sound());
}

/// A stage with runs that differ.
#[derive(Config)]
struct Noisy {
    #[selfref("seed.json")]
    out: SelfRef<Json<u64>>,
}

#[stage(many, nouts = 2, matcher = all())]
fn noisy(b: &Build<Noisy>) -> Result<NoisyOutputs> {
    Ok(NoisyOutputs {
        out: b.out.save(&b.seed())?,
    })
}

#[test]
fn they_count_nowhere_also_for_programs_that_do_not_know_them() {
    let (_folder, store) = store();
    let plan = instantiate(Noisy::new()).unwrap();
    let made = store.realize(&plan).unwrap();
    let rref = made[0].id().clone();
    store.note(&rref, "hm").unwrap();
    store.tag(&rref, "best").unwrap();
    let report = || Realize::new(&store).run_reporting(&plan).unwrap().1;
    assert_eq!((report().built, report().reused), (0, 1));
    // To a program that passes the key over, it is one more record of what is known already.
    let mut attached = 0;
    for path in records(&store, &rref) {
        let text = fs::read_to_string(&path).unwrap();
        attached += usize::from(text.contains("\"attached\""));
        let unknown = text.replace("\"attached\"", "\"unknown\"");
        fs::write(&path, unknown).unwrap();
    }
    assert_eq!(attached, 2);
    let folder = store.derivation_dir(rref.dref());
    fs::File::create(folder.join("touched")).unwrap();
    fs::remove_file(folder.join("touched")).unwrap();
    let seen = store.realization(&rref).unwrap();
    let build = &seen.builds()[0];
    for other in &seen.builds()[1..] {
        assert_eq!(
            (&other.fingerprint, &other.omitted, other.index, other.of),
            (&build.fingerprint, &build.omitted, build.index, build.of)
        );
        assert_eq!((other.start, other.stop), (build.start, build.stop));
        assert_eq!(other.accepted, None);
    }
    assert_eq!((report().built, report().reused), (0, 1));
    assert!(store.check().contents().run().unwrap().is_sound());
    let archive = store.root().join("../archive.zip");
    store.pack([&rref], &archive).unwrap();
    let (_other, other) = tests::store::store();
    other.unpack(&archive).unwrap();
    assert_eq!(records(&other, &rref).len(), 3);
}

#[test]
fn what_a_later_version_attaches_is_no_build() {
    let (_folder, store) = store();
    let rref = one(&store, "train");
    store.note(&rref, "hm").unwrap();
    for path in records(&store, &rref) {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"note\": \"hm\"", "\"note\": [1, 2]")).unwrap();
    }
    let found = store.realization(&rref).unwrap();
    assert_eq!((found.builds().len(), found.remarks().len()), (1, 0));
    assert!(found.unreadable.is_empty());
    assert!(store.check().run().unwrap().is_sound());
}

#[test]
fn the_command_line_knows_them() {
    let line = Line::new(STORE);
    let noted = line.out("note mean@2 a kink at step 300");
    assert!(noted.contains("a kink at step 300"), "{noted}");
    let tagged = line.out("tag mean@2 best v1");
    assert!(
        tagged.contains("[best]") && tagged.contains("[v1]"),
        "{tagged}"
    );
    assert!(
        line.out("list").contains("mean [best, v1]"),
        "{}",
        line.out("list")
    );
    for command in ["find tag:best", "find mean -w tag:best", "find note:kink"] {
        let found = line.out(command);
        assert!(found.contains("mean [best, v1]"), "{command}: {found}");
        assert_eq!(found.lines().count(), 2, "{found}");
    }
    assert_eq!(line.out("path mean@best"), line.out("path mean@2"));
    let shown = line.out("show mean@best");
    assert!(
        shown.contains("\nNotes\n") && shown.contains("[v1]"),
        "{shown}"
    );
    assert_eq!(
        line.json("show mean@best")["remarks"][0]["text"],
        "a kink at step 300"
    );
    assert_eq!(
        line.json("list mean")[0]["tags"].as_array().unwrap().len()
            + line.json("list mean")[1]["tags"].as_array().unwrap().len(),
        2
    );
    assert!(
        line.out("why mean@best").contains("tag: best (ada"),
        "{}",
        line.out("why mean@best")
    );
    let compared = line.out("compare mean --csv");
    assert!(compared.contains("\"best,v1\""), "{compared}");
    assert_eq!(
        line.out("compare mean -w tag:best --csv").lines().count(),
        2
    );

    let id = noted.split_whitespace().next().unwrap();
    let left = line.out(&format!("note mean@best --remove {id}"));
    assert!(!left.contains("kink"), "{left}");
    assert!(!line.out("tag mean@best v1 --remove").contains("v1"));
    let none = line.say("tag mean@best v1 --remove");
    assert_eq!(none.code, 1);
    assert!(none.err.contains("has no tag `v1`"), "{}", none.err);
    assert_eq!(line.say("note mean --remove 77").code, 2);
    let wrong = line.say("tag mean 2");
    assert_ne!(wrong.code, 0);
    assert!(wrong.err.contains("\"2\" is not a tag"), "{}", wrong.err);
    let missing = line.say("find tag:nope");
    assert_eq!(missing.code, 1);
    assert!(
        missing.err.contains("the tags there are"),
        "{}",
        missing.err
    );
    let unknown = line.say("path mean@wors");
    assert!(
        unknown.err.contains("no `mean` has the tag `wors`"),
        "{}",
        unknown.err
    );
}
