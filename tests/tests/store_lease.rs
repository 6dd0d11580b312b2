//! Objects that living processes use are kept; those that only dead processes used are not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test may say so by a panic, and a child talks to its parent"
)]

use pylightnix::config::{DRefId, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::{Context, Store};
use std::fs;
use std::path::Path;
use tests::store::{
    Running, child, child_as_nobody, config, config_on, folder, publish_on, publish_texts, store,
    unused,
};

/// A stage without dependencies.
#[derive(Config)]
pub struct One {
    /// The artifact.
    #[selfref("x")]
    pub out: SelfRef<Text>,
}

#[stage]
fn one(b: &Build<One>) -> Result<OneOutputs> {
    Ok(OneOutputs {
        out: b.out.save("1")?,
    })
}

/// A stage with a dependency.
#[derive(Config)]
pub struct Two {
    /// The artifact.
    #[selfref("x")]
    pub out: SelfRef<Text>,
    /// The dependency.
    #[dref]
    pub one: DRef<One>,
}

#[stage]
fn two(b: &Build<Two>) -> Result<TwoOutputs> {
    let text = b.one.out.load()?;
    Ok(TwoOutputs {
        out: b.out.save(&(text + "2"))?,
    })
}

fn plan() -> DRef<Two> {
    instantiate(Two::new(instantiate(One::new()).unwrap())).unwrap()
}

/// The parts of child processes.
#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = tests::store::part() else {
        return;
    };
    let store = Store::open(&place).unwrap();
    match part.as_str() {
        "use what there is" => {
            let drefs = store.drefs().unwrap();
            assert!(store.plumbing().use_derivations(&drefs).unwrap());
            // The handle is dropped, the process lives on.
            drop(store);
            println!("\nusing");
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        "realize" => {
            let rref = store.realize(&plan()).unwrap();
            drop(store);
            println!("\nrealized {}", rref.id());
            let _ = std::io::stdin().read_line(&mut String::new());
            assert_eq!(rref.out.load().unwrap(), "12");
        }
        "open" => {
            let id = store.rrefs_of(plan().id()).unwrap().remove(0);
            let rref = store.realization_as::<Two>(&id).unwrap();
            drop(store);
            println!("\nopened");
            let _ = std::io::stdin().read_line(&mut String::new());
            assert_eq!(rref.one.out.load().unwrap(), "1");
        }
        "realize without the right to write" => {
            let rref = store.realize(&plan()).unwrap();
            assert_eq!(rref.out.load().unwrap(), "12");
            assert!(!store.plumbing().use_derivations([plan().id()]).unwrap());
            let report = format!("{:?}", store.plumbing().draft().unwrap_err());
            assert!(report.contains("can still be read"), "{report}");
        }
        other => panic!("no part is called {other}"),
    }
}

fn gc(store: &Store) -> Vec<RRefId> {
    let report = store.gc().run().unwrap();
    assert!(report.refused.is_empty(), "{report}");
    report
        .realizations
        .into_iter()
        .map(|gone| gone.rref)
        .collect()
}

#[test]
fn a_living_process_keeps_what_it_uses_and_a_killed_one_does_not() {
    let (_folder, store) = store();
    let a = config("a");
    let a1 = publish_texts(&store, &a, &Context::empty(), &[("x", "1")]);
    let b1 = publish_on(&store, &config_on("b", &a), &[&a1], "1");
    let (_folder, store) = unused(&store);
    let mut user = Running::start(child("use what there is", store.root()));
    user.wait_for("using");
    assert!(gc(&store).is_empty());
    assert_eq!(store.rrefs_of(a.id()).unwrap(), std::slice::from_ref(&a1));
    user.kill();
    assert_eq!(gc(&store), [b1, a1]);
    assert!(store.drefs().unwrap().is_empty());
}

#[test]
fn results_stay_while_they_are_in_use() {
    for part in ["realize", "open"] {
        let folder = folder();
        let root = folder.path().join("store");
        if part == "open" {
            let mut maker = Running::start(child("realize", &root));
            maker.wait_for("realized");
            maker.kill();
        }
        let mut user = Running::start(child(part, &root));
        user.wait_for(if part == "open" { "opened" } else { "realized" });
        let store = Store::open(&root).unwrap();
        assert!(gc(&store).is_empty());
        user.go_on();
        user.end();
        assert_eq!(gc(&store).len(), 2);
    }
}

#[test]
fn a_process_keeps_what_it_published_itself() {
    let (_folder, store) = store();
    let a = publish_texts(&store, &config("a"), &Context::empty(), &[]);
    store.plumbing().add_derivation(&config("empty")).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let store = Store::open(root).unwrap();
    assert!(gc(&store).is_empty());
    assert_eq!(store.rrefs().unwrap(), [a]);
    assert_eq!(store.drefs().unwrap().len(), 2);
}

fn lease(store: &Store) -> Vec<String> {
    let mut files = fs::read_dir(store.root().join("leases")).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_lease_grows_only_by_what_is_new() {
    let (_folder, store) = store();
    store.realize(&plan()).unwrap();
    let lines = lease(&store);
    let named = |dref: &DRefId| {
        lines
            .iter()
            .filter(|line| **line == dref.to_string())
            .count()
    };
    assert_eq!(named(plan().id()), 1);
    assert_eq!(named(plan().one.id()), 1);
    store.realize(&plan()).unwrap();
    assert_eq!(lease(&store), lines);
    let many: Vec<_> = (0..100_000)
        .map(|number| config(&format!("c{number}")))
        .collect();
    for _ in 0..2 {
        store
            .plumbing()
            .use_derivations(many.iter().map(|config| config.id()))
            .unwrap();
        assert_eq!(lease(&store).len(), lines.len() + many.len());
    }
}

#[test]
fn a_lease_that_is_not_understood_stops_a_collection() {
    let (_folder, store) = store();
    publish_texts(&store, &config("a"), &Context::empty(), &[]);
    let (_folder, store) = unused(&store);
    let mut user = Running::start(child("use what there is", store.root()));
    user.wait_for("using");
    for entry in fs::read_dir(store.root().join("leases")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "something new\n").unwrap();
    }
    let report = format!("{:?}", store.gc().run().unwrap_err());
    assert!(
        report.contains("has the line \"something new\""),
        "{report}"
    );
    assert!(
        report.contains("help: without it, what that process uses"),
        "{report}"
    );
    user.kill();
    assert_eq!(gc(&store).len(), 1);
}

#[test]
fn a_store_that_may_not_be_written_is_read_without_a_lease() {
    let folder = folder();
    let root = folder.path().join("store");
    Store::open(&root).unwrap().realize(&plan()).unwrap();
    let before = tests::store::snapshot(&root);
    assert!(Path::new(&root).join("leases").exists());
    let mut child = child_as_nobody("realize without the right to write", &root);
    assert!(child.status().unwrap().success());
    assert_eq!(tests::store::snapshot(&root), before);
}
