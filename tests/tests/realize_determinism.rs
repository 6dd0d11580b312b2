//! Tests of determinism: the result, and what stays in the store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::ErrorKind;
use pylightnix::plan::DRef;
use pylightnix::prelude::*;
use pylightnix::realize::{Determinism, Rebuild};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use tests::runs::{assert_says, done, names, scratch};
use tests::store::{objects, snapshot};

/// A dependency.
#[derive(Config)]
struct Data {
    #[selfref("data.txt")]
    data: SelfRef<Text>,
}

#[stage(many, nouts = 3, matcher = all())]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let data = b.data.save(&b.index().to_string())?;
    Ok(DataOutputs { data })
}

/// A stage whose realizers are given by the tests.
#[derive(Config)]
struct Sum {
    #[selfref("sum.txt")]
    sum: SelfRef<Text>,
    #[dref]
    data: DRef<Data, Many>,
}

#[stage]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let mut sum = String::new();
    for data in &b.data {
        sum.push_str(&data.data.load()?);
    }
    let sum = b.sum.save(&sum)?;
    Ok(SumOutputs { sum })
}

fn plan() -> DRef<Sum> {
    instantiate(Sum::new(instantiate(Data::new()).unwrap())).unwrap()
}

/// Realizes the plan and rebuilds its last stage, which must not publish anything.
fn check(store: &Store, plan: &DRef<Sum>, times: usize) -> Determinism {
    store.realize(plan).unwrap();
    let before = objects(store);
    let found = Realize::new(store).check_determinism(plan, times).unwrap();
    assert_eq!(objects(store), before);
    // Only the folder of this process.
    assert_eq!(snapshot(&store.root().join("tmp")).len(), 1);
    found
}

#[test]
fn what_is_the_same_each_time() {
    let (_folder, store) = scratch();
    let plan = plan();
    let found = check(&store, &plan, 3);
    assert!(found.is_deterministic() && found.agrees());
    assert_eq!(found.rebuilds.len(), 3);
    assert!(found.kept.is_none());
    assert_eq!(
        found.to_string(),
        format!("{plan} is deterministic: rebuilt 3 times with equal results")
    );
    // For a stage with many realizations, the first rebuild equals one of them.
    let data = plan.data.clone();
    let found = Realize::new(&store).check_determinism(&data, 0).unwrap();
    assert!(found.is_deterministic());
    assert_eq!(found.rebuilds.len(), 1);
    // By its reference alone.
    let again = store.derivation(plan.id()).unwrap();
    let found = Realize::new(&store).check_determinism(&again, 1).unwrap();
    assert!(found.is_deterministic());
}

#[test]
fn what_differs_is_said_file_by_file() {
    let (_folder, store) = scratch();
    let runs = AtomicU32::new(0);
    let plan = plan().with_realizer("counting", move |b| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        fs::create_dir(b.path().join("parts"))?;
        fs::write(b.path().join("parts/same"), "same")?;
        fs::write(b.path().join(format!("parts/{run}")), "x")?;
        fs::write(b.path().join("bytes"), [0, 0, run as u8])?;
        b.sum.save(&format!("a\nb\nrun {run}\n")).map(done)?
    });
    let found = check(&store, &plan, 2);
    assert!(!found.is_deterministic() && !found.agrees());
    let stored = &found.stored;
    let kept = found.kept.as_ref().unwrap();
    assert_eq!(
        found.to_string(),
        format!(
            "{plan} is not deterministic: rebuilt 2 times, compared with {stored}\n\
             0: differs\n   \
             ! bytes (3 B), from byte 2 on\n   \
             - parts/0 (1 B)\n   \
             + parts/1 (1 B)\n   \
             ! sum.txt (10 B), from line 3 on (byte 8)\n\
             1: differs\n   \
             ! bytes (3 B), from byte 2 on\n   \
             - parts/0 (1 B)\n   \
             + parts/2 (1 B)\n   \
             ! sum.txt (10 B), from line 3 on (byte 8)\n\
             the first that differs is kept in {}",
            kept.display()
        )
    );
    let told = serde_json::to_value(&found).unwrap();
    let file = &told["rebuilds"][1]["differs"]["files"][3];
    assert_eq!(told["stored"], stored.to_string());
    assert_eq!(file["path"], "sum.txt");
    assert_eq!(file["first_difference"]["offset"], 8);
    // Kept for inspection.
    assert!(kept.starts_with(store.root().join("failed")));
    assert_eq!(
        fs::read_to_string(kept.join("out/sum.txt")).unwrap(),
        "a\nb\nrun 1\n"
    );
    assert_eq!(names(&store.root().join("failed")).len(), 1);
}

#[test]
fn one_of_several_that_are_there() {
    let (_folder, store) = scratch();
    let runs = AtomicU32::new(0);
    let plan = plan().with_realizer("every other", move |b| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        b.sum.save(&(run % 2).to_string()).map(done)?
    });
    let first = store.realize(&plan).unwrap();
    let second = Realize::new(&store).force(&plan).run(&plan).unwrap();
    assert_ne!(first, second);
    let found = Realize::new(&store).check_determinism(&plan, 2).unwrap();
    assert!(!found.is_deterministic() && found.kept.is_none());
    assert_says_text(
        &found,
        &[
            "is not deterministic",
            &format!("0: the same as {first}"),
            "1: the same",
        ],
    );
}

fn assert_says_text(found: &Determinism, what: &[&str]) {
    let text = found.to_string();
    for what in what {
        assert!(text.contains(what), "{what:?} is not in: {text}");
    }
}

#[test]
fn the_same_each_time_and_not_what_is_there() {
    let (folder, store) = scratch();
    let world = folder.path().join("world");
    fs::write(&world, "then").unwrap();
    let read = world.clone();
    let plan = plan().with_realizer("reads the world", move |b| {
        b.sum.save(&fs::read_to_string(&read)?).map(done)?
    });
    store.realize(&plan).unwrap();
    fs::write(world, "now").unwrap();
    let found = Realize::new(&store).check_determinism(&plan, 2).unwrap();
    assert!(!found.is_deterministic() && found.agrees());
    assert_says_text(
        &found,
        &["differs from the store: rebuilt 2 times with equal results, other than"],
    );
}

#[test]
fn a_rebuild_that_fails_is_told() {
    let (_folder, store) = scratch();
    let runs = AtomicU32::new(0);
    let plan = plan().with_realizer("fails later", move |b| -> Result<()> {
        match runs.fetch_add(1, Ordering::Relaxed) {
            0 | 3 => b.sum.save("good").map(done)?,
            1 => Err("the disk of the instrument is full".into()),
            2 => panic!("no more of this"),
            _ => Ok(()),
        }
    });
    let found = check(&store, &plan, 4);
    assert!(!found.is_deterministic() && !found.agrees());
    assert!(matches!(found.rebuilds[2], Rebuild::Same(_)));
    assert_says_text(
        &found,
        &[
            "0: stage `sum` failed in run 0",
            "the disk of the instrument is full",
            "its folder is kept: ",
            "it panicked: no more of this",
            "2: the same",
            "it did not keep its promise `sum`",
        ],
    );
    let Rebuild::Failed(error) = &found.rebuilds[0] else {
        panic!("it did not fail")
    };
    assert_eq!(error.kind(), ErrorKind::Stage);
}

#[test]
fn what_is_not_realized_cannot_be_compared() {
    let (_folder, store) = scratch();
    let plan = plan();
    let refused = |plan: &DRef<Sum>, what: &[&str]| {
        let error = Realize::new(&store).check_determinism(plan, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Plan);
        assert_says(&error, &["cannot be compared, as it is not realized: "]);
        assert_says(&error, what);
    };
    refused(
        &plan,
        &[
            "stage `data`",
            "missing",
            "help: realize it first",
            &plan.data.to_string(),
        ],
    );
    store.realize(&plan.data).unwrap();
    refused(&plan, &["stage `sum`", "missing"]);
    store.realize(&plan).unwrap();
    let other = plan
        .clone()
        .with_realizer("other", |b| b.sum.save("x").map(done)?);
    refused(&other, &["stage `sum`", "stale: its code changed"]);
}
