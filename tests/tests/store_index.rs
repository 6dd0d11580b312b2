//! The index: which reads it saves, and that it never hides a change.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::{ConfigJson, DRefId, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tests::store::{
    Mount, built, can_mount, child, config, config_on, folder, part, publish, publish_on,
    publish_texts, store,
};

#[derive(Config)]
struct Number {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    number: u64,
}

#[stage]
fn number(b: &Build<Number>) -> Result<NumberOutputs> {
    Ok(NumberOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

/// A stage that takes longer than a tick of the file system's clock.
#[derive(Config)]
struct Slow {
    #[dref]
    after: Vec<DRef<Number>>,
}

#[stage]
fn slow(_: &Build<Slow>) -> Result<()> {
    let_the_clock_tick();
    Ok(())
}

fn numbers(count: u64) -> pylightnix::Result<Vec<DRef<Number>>> {
    (0..count).map(|at| instantiate(Number::new(at))).collect()
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, root)) = part() else {
        return;
    };
    let store = Store::open(root).unwrap();
    let words: Vec<&str> = part.split(' ').collect();
    match words[..] {
        ["realize", count] => {
            let plan = numbers(count.parse().unwrap()).unwrap();
            let (_, report) = Realize::new(&store).run_reporting(&plan).unwrap();
            println!("\nbuilt {}", report.built);
        }
        ["realize-again", count] => {
            let numbers = numbers(count.parse().unwrap()).unwrap();
            let slow = instantiate(Slow::new(numbers)).unwrap();
            let (_, report) = Realize::new(&store)
                .force_all()
                .run_reporting(&slow)
                .unwrap();
            println!("\nbuilt {}", report.built);
        }
        ["realize-singly", count] => {
            for number in numbers(count.parse().unwrap()).unwrap() {
                store.realize(&number).unwrap();
            }
            println!("\nbuilt");
        }
        ["builds", name] => {
            let found = store
                .plumbing()
                .candidates(config(name).id(), &Context::empty());
            println!("\nbuilds {}", found.unwrap()[0].builds().len());
        }
        ["accept", name] => {
            let rref = match name {
                "number" => store.rrefs_of(numbers(1).unwrap()[0].id()),
                name => store.rrefs_of(config(name).id()),
            };
            let rref = rref.unwrap().remove(0);
            let build = BuildRecord::now(BuildKind::Accept);
            store.plumbing().add_build(&rref, &build, None).unwrap();
            println!("\naccepted");
        }
        _ => panic!("no part {part}"),
    }
}

/// Returns what a child process with this part prints after this word.
fn told(part: &str, store: &Store, word: &str) -> String {
    let output = child(part, store.root()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(word));
    lines.next().expect(&text).to_owned()
}

fn files(store: &Store) -> Vec<PathBuf> {
    match fs::read_dir(store.root().join("cache/index")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// Waits longer than a tick of the file system's clock.
fn let_the_clock_tick() {
    std::thread::sleep(Duration::from_millis(150));
}

#[test]
fn what_is_known_is_not_read_again() {
    let (_folder, store) = store();
    assert_eq!(told("realize 40", &store, "built "), "40");
    let_the_clock_tick();
    assert_eq!(told("realize 40", &store, "built "), "0");
    assert!(!files(&store).is_empty());
    // With the index these files are not read: verifying them is the task of `check`.
    let plan = numbers(1).unwrap();
    let rref = store.rrefs_of(plan[0].id()).unwrap().remove(0);
    let record = store.realization_dir(&rref).join("record");
    let text = fs::read(&record).unwrap();
    fs::write(&record, "broken").unwrap();
    assert_eq!(told("realize 40", &store, "built "), "0");
    assert!(!store.check().run().unwrap().is_sound());
    // Without the index they are read.
    fs::remove_dir_all(store.root().join("cache")).unwrap();
    let output = child("realize 40", store.root()).output().unwrap();
    assert!(!output.status.success());
    fs::write(&record, text).unwrap();
    assert_eq!(told("realize 40", &store, "built "), "0");
}

/// Breaks the records of these stages' realizations, which shows whether a process reads them.
fn break_records(store: &Store, count: u64) {
    for number in numbers(count).unwrap() {
        for rref in store.rrefs_of(number.id()).unwrap() {
            fs::write(store.realization_dir(&rref).join("record"), "broken").unwrap();
        }
    }
}

#[test]
fn what_a_run_published_is_not_read_in_the_next_one() {
    let (_folder, store) = store();
    assert_eq!(told("realize 40", &store, "built "), "40");
    break_records(&store, 40);
    assert_eq!(told("realize 40", &store, "built "), "0");
}

#[test]
fn what_a_run_added_to_derivations_is_not_read_in_the_next_one() {
    let (_folder, store) = store();
    told("realize 40", &store, "built ");
    assert_eq!(told("realize-again 40", &store, "built "), "41");
    break_records(&store, 40);
    assert_eq!(told("realize 40", &store, "built "), "0");
}

#[test]
fn what_many_small_runs_published_is_not_read_by_the_next_process() {
    let (_folder, store) = store();
    told("realize-singly 100", &store, "built");
    break_records(&store, 100);
    assert_eq!(told("realize 100", &store, "built "), "0");
}

#[test]
fn a_store_that_is_deleted_does_not_come_back() {
    let (folder, store) = store();
    for number in numbers(100).unwrap() {
        store.realize(&number).unwrap();
    }
    fs::remove_dir_all(store.root()).unwrap();
    drop(store);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_change_right_after_a_publication_is_seen() {
    let (_folder, store) = store();
    let store = store.with_durability(Durability::None);
    for number in numbers(300).unwrap() {
        let rref = store.realize(&number).unwrap();
        store
            .plumbing()
            .add_build(rref.id(), &built(), None)
            .unwrap();
        assert_eq!(known_of(&store, number.id())[0].1, 2, "of {number}");
    }
}

#[test]
fn a_change_beside_a_publication_is_seen() {
    let (_folder, store) = store();
    let store = store.with_durability(Durability::None);
    let numbers = numbers(300).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in &numbers {
                let rref = loop {
                    match store.rrefs_of(number.id()).unwrap().pop() {
                        Some(rref) => break rref,
                        None => std::hint::spin_loop(),
                    }
                };
                store.plumbing().add_build(&rref, &built(), None).unwrap();
            }
        });
        for number in &numbers {
            store.realize(number).unwrap();
        }
    });
    for number in &numbers {
        assert_eq!(known_of(&store, number.id())[0].1, 2, "of {number}");
    }
}

#[test]
fn a_file_that_is_damaged_is_as_none() {
    let (_folder, store) = store();
    told("realize 3", &store, "built ");
    let_the_clock_tick();
    told("realize 3", &store, "built ");
    for path in files(&store) {
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(29) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            assert_eq!(told("realize 3", &store, "built "), "0", "{at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(told("realize 3", &store, "built "), "0", "{at}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(told("realize 3", &store, "built "), "0");
    }
}

#[test]
fn a_change_right_after_a_look_is_seen() {
    let (_folder, store) = store();
    let a = config("a");
    let rref = publish_texts(&store, &a, &Context::empty(), &[("x", "x")]);
    for count in 1..500 {
        let found = store
            .plumbing()
            .candidates(a.id(), &Context::empty())
            .unwrap();
        assert_eq!(found[0].builds().len(), count);
        store.plumbing().add_build(&rref, &built(), None).unwrap();
    }
    for count in 1..200 {
        let found = store
            .plumbing()
            .candidates(a.id(), &Context::empty())
            .unwrap();
        assert_eq!(found.len(), count);
        let text = count.to_string();
        publish_texts(&store, &a, &Context::empty(), &[("x", &text)]);
    }
}

/// Returns the content of the store, read without the index.
fn truth(store: &Store, config: &ConfigJson) -> Vec<(RRefId, usize)> {
    let mut rrefs = store.rrefs_of(config.id()).unwrap();
    rrefs.sort_unstable();
    let builds = |rref: &RRefId| store.realization(rref).unwrap().builds().len();
    rrefs
        .into_iter()
        .map(|rref| (rref.clone(), builds(&rref)))
        .collect()
}

fn known(store: &Store, config: &ConfigJson) -> Vec<(RRefId, usize)> {
    known_of(store, config.id())
}

fn known_of(store: &Store, dref: &DRefId) -> Vec<(RRefId, usize)> {
    let found = store
        .plumbing()
        .candidates(dref, &Context::empty())
        .unwrap();
    let each = found.into_iter();
    each.map(|one| (one.id.clone(), one.builds().len()))
        .collect()
}

#[test]
fn what_comes_goes_or_changes_is_seen() {
    let (_folder, store) = store();
    let (a, b) = (config("a"), config("b"));
    publish_texts(&store, &a, &Context::empty(), &[("x", "1")]);
    let other = publish_texts(&store, &a, &Context::empty(), &[("x", "2")]);
    let user = publish_texts(&store, &b, &Context::empty(), &[]);
    type Change<'a> = &'a dyn Fn();
    let changes: [(&str, Change<'_>); 5] = [
        ("a build record that another process adds", &|| {
            let mut child = child("accept a", store.root());
            assert!(child.output().unwrap().status.success());
        }),
        ("a realization that came", &|| {
            publish_texts(&store, &a, &Context::empty(), &[("x", "3")]);
        }),
        ("a realization that is removed", &|| {
            store
                .remove(&other)
                .with_dependents()
                .force()
                .run()
                .unwrap();
        }),
        ("a folder that is replaced by another", &|| {
            let folder = store.derivation_dir(a.id());
            let aside = store.root().join("aside");
            fs::rename(&folder, &aside).unwrap();
            fs::create_dir(&folder).unwrap();
            fs::copy(aside.join("config.json"), folder.join("config.json")).unwrap();
        }),
        ("a derivation that is removed", &|| {
            store
                .remove_derivation(a.id())
                .with_dependents()
                .force()
                .run()
                .unwrap();
        }),
    ];
    for (what, change) in changes {
        let_the_clock_tick();
        assert_eq!(known(&store, &a), truth(&store, &a), "before {what}");
        change();
        assert_eq!(known(&store, &a), truth(&store, &a), "{what}");
        assert_eq!(known(&store, &b).len(), 1);
    }
    assert!(store.has(&user).unwrap());
}

#[test]
fn other_processes_see_what_changed_since() {
    let (_folder, store) = store();
    let a = config("a");
    let on = publish_texts(&store, &a, &Context::empty(), &[]);
    publish_on(&store, &config_on("b", &a), &[&on], "b");
    let_the_clock_tick();
    for count in 1..6 {
        assert_eq!(told("builds a", &store, "builds "), count.to_string());
        // It saves the index for other processes.
        told("realize 1", &store, "built ");
        store.plumbing().add_build(&on, &built(), None).unwrap();
    }
}

#[test]
fn a_copied_store_is_read_anew() {
    let (folder, store) = store();
    told("realize 5", &store, "built ");
    let_the_clock_tick();
    told("realize 5", &store, "built ");
    let copy = folder.path().join("copy");
    let status = std::process::Command::new("cp")
        .arg("-a")
        .args([store.root(), &copy])
        .status();
    assert!(status.unwrap().success());
    let copy = Store::open(&copy).unwrap();
    let plan = numbers(5).unwrap();
    let rref = copy.rrefs_of(plan[0].id()).unwrap().remove(0);
    fs::write(copy.realization_dir(&rref).join("record"), "broken").unwrap();
    let output = child("realize 5", copy.root()).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn contexts_and_builds_come_back_whole() {
    let (_folder, store) = store();
    let from = config("from");
    let into = config_on("into", &from);
    let made = publish(&mut store.plumbing().draft().unwrap(), &from)
        .unwrap()
        .id;
    let context: Context = [made.clone()].into_iter().collect();
    let build = built();
    let mut draft = store.plumbing().draft().unwrap();
    draft.publish(&into, &context, Outcome::Ok, &build).unwrap();
    let_the_clock_tick();
    // The first read fills the cache, the second one uses it.
    for _ in 0..2 {
        let found = store.plumbing().candidates(into.id(), &context).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].context, context);
        assert_eq!(found[0].builds(), std::slice::from_ref(&build));
        let all = store.realizations_of(into.id()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].context, context);
        let none = Context::empty();
        assert!(
            store
                .plumbing()
                .candidates(into.id(), &none)
                .unwrap()
                .is_empty()
        );
    }
}

/// A change within a clock tick after a read does not change the time.
#[test]
fn a_change_within_a_tick_is_seen() {
    if !can_mount("a_change_within_a_tick_is_seen") {
        return;
    }
    let place = folder();
    let mount = Mount::with_coarse_times(place.path());
    let root = mount.at.join("store");
    let (one, other) = (Store::open(&root).unwrap(), Store::open(&root).unwrap());
    for round in 0..100 {
        let config = config(&format!("round-{round}"));
        let rref = publish_texts(&other, &config, &Context::empty(), &[("x", "x")]);
        let builds = || {
            let found = one
                .plumbing()
                .candidates(config.id(), &Context::empty())
                .unwrap();
            found[0].builds().len()
        };
        assert_eq!(builds(), 1);
        other
            .plumbing()
            .add_build(&rref, &BuildRecord::now(BuildKind::Accept), None)
            .unwrap();
        assert_eq!(builds(), 2, "in round {round}");
    }
    for number in numbers(100).unwrap() {
        let rref = one.realize(&number).unwrap();
        other
            .plumbing()
            .add_build(rref.id(), &built(), None)
            .unwrap();
        assert_eq!(known_of(&one, number.id())[0].1, 2, "of {number}");
    }
}

#[test]
fn what_was_known_before_does_not_replace_what_another_found_since() {
    let (_folder, store) = store();
    let numbers = numbers(20).unwrap();
    let first = &numbers[0];
    let digit = |dref: &DRef<Number>| dref.id().folder().chars().next().unwrap();
    let other = numbers
        .iter()
        .find(|dref| digit(dref) != digit(first))
        .unwrap();
    told("realize 1", &store, "built");
    let_the_clock_tick();
    told("realize 1", &store, "built");
    let file = store
        .root()
        .join("cache/index")
        .join(digit(first).to_string());
    fs::remove_file(&file).unwrap();
    // Cached in this process, and not saved yet.
    store
        .plumbing()
        .candidates(first.id(), &Context::empty())
        .unwrap();
    // Another process finds a change, and saves it.
    told("accept number", &store, "accepted");
    let_the_clock_tick();
    told("realize 1", &store, "built");
    let before = fs::read(&file).unwrap();
    // The entry of this process is saved last.
    store.realize(other).unwrap();
    assert!(
        fs::read(&file).unwrap() == before,
        "it was replaced by what was known before"
    );
}
