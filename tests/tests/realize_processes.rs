//! Several threads and processes that want the same results: each is built once.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;
use pylightnix::realize::Event;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tests::runs::{Told, names};
use tests::store::{Running, child, folder, part};

/// A stage that runs until it is released.
#[derive(Config)]
struct Slow {
    #[selfref("slow.txt")]
    slow: SelfRef<Text>,
    title: String,
    /// The folder in which it counts its runs and waits.
    #[config(default, unhashed)]
    place: PathBuf,
}

#[stage(matcher = only())]
fn slow(b: &Build<Slow>) -> Result<SlowOutputs> {
    let mut count = OpenOptions::new();
    let count = count.create(true).append(true).open(b.place.join("count"));
    count?.write_all(b"ran\n")?;
    println!("\nbuilding");
    wait_for(&b.place.join("go"));
    let slow = b.slow.save(&b.title)?;
    Ok(SlowOutputs { slow })
}

/// A consumer, so that the plan has a second stage.
#[derive(Config)]
struct Uses {
    #[selfref("uses.txt")]
    out: SelfRef<Text>,
    #[dref]
    slow: DRef<Slow>,
}

#[stage(matcher = only())]
fn uses(b: &Build<Uses>) -> Result<UsesOutputs> {
    let out = b.out.save(&b.slow.slow.load()?)?;
    Ok(UsesOutputs { out })
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nobody let it go"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn plan(place: &Path) -> DRef<Uses> {
    let place = place.to_owned();
    let slow = Slow {
        place,
        ..Slow::new("slow".to_owned())
    };
    instantiate(Uses::new(instantiate(slow).unwrap())).unwrap()
}

fn count(place: &Path) -> usize {
    fs::read_to_string(place.join("count"))
        .unwrap()
        .lines()
        .count()
}

fn let_go(place: &Path) {
    fs::write(place.join("go"), "").unwrap();
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((_, place)) = part() else {
        return;
    };
    let store = Store::open(place.join("store")).unwrap();
    let waits = |event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            println!("\nwaiting");
        }
    };
    let run = Realize::new(&store).jobs(1).observer(waits);
    let (rref, report) = run.run_reporting(&plan(&place)).unwrap();
    println!("\nmade {rref} in {} runs", report.runs);
}

#[test]
fn processes_build_it_once() {
    let place = folder();
    let mut children: Vec<_> = (0..3)
        .map(|_| Running::start(child("realize", place.path())))
        .collect();
    wait_for(&place.path().join("count"));
    // Gives the others time to begin waiting. They may come later: none of them must run the stage.
    thread::sleep(Duration::from_millis(300));
    let_go(place.path());
    let mut made: Vec<_> = children
        .iter_mut()
        .map(|child| child.wait_for("made"))
        .collect();
    children.iter_mut().for_each(Running::end);
    assert_eq!(count(place.path()), 1);
    let store = Store::open(place.path().join("store")).unwrap();
    let rref = store.realize(&plan(place.path())).unwrap();
    assert!(
        made.iter().all(|made| made.starts_with(&rref.to_string())),
        "{made:?}"
    );
    assert_eq!(rref.slow.builds().len(), 1);
    // It is not determined which process runs which of the two stages.
    made.retain(|made| !made.ends_with(" in 0 runs"));
    assert!((1..=2).contains(&made.len()), "{made:?}");
    assert!(names(&store.root().join("locks/b")).is_empty());
}

#[test]
fn who_waits_takes_what_the_other_made() {
    let place = folder();
    let mut other = Running::start(child("realize", place.path()));
    other.wait_for("building");
    let store = Store::open(place.path().join("store")).unwrap();
    let told = Told::default();
    let go = |event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            let_go(place.path());
        }
    };
    let run = Realize::new(&store).jobs(1).observer(&told).observer(go);
    let plan = plan(place.path());
    let (_, report) = run.run_reporting(&plan.slow).unwrap();
    other.wait_for("made");
    other.end();
    assert_eq!(
        told.lines(),
        ["begun 1", "waiting slow", "chosen slow 1 there"]
    );
    assert_eq!((report.reused, report.built, report.runs), (1, 0, 0));
    assert_eq!(count(place.path()), 1);
}

#[test]
fn who_waits_for_one_that_dies_builds_it() {
    let place = folder();
    let mut other = Running::start(child("realize", place.path()));
    other.wait_for("building");
    let other = Mutex::new(other);
    let store = Store::open(place.path().join("store")).unwrap();
    let told = Told::default();
    let kill = |event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            other.lock().unwrap().kill();
            let_go(place.path());
        }
    };
    let run = Realize::new(&store).jobs(1).observer(&told).observer(kill);
    let rref = run.run(&plan(place.path()).slow).unwrap();
    assert_eq!(rref.slow.load().unwrap(), "slow");
    assert_eq!(told.of("waiting").len() + told.of("started").len(), 2);
    assert_eq!(count(place.path()), 2);
}

#[test]
fn threads_build_it_once() {
    let place = folder();
    let root = place.path().join("store");
    let store = Store::open(&root).unwrap();
    let start = Barrier::new(4);
    let told = Told::default();
    let made: Vec<_> = thread::scope(|scope| {
        let thread = |at: usize| {
            let (start, told, root, store, place) = (&start, &told, &root, &store, place.path());
            move || {
                // Clones of the handle, and handles from opening the store again.
                let store = if at < 2 {
                    store.clone()
                } else {
                    Store::open(root).unwrap()
                };
                let plan = plan(place);
                start.wait();
                let run = Realize::new(&store).jobs(2).observer(told);
                run.run(&plan).unwrap().id().clone()
            }
        };
        let threads: Vec<_> = (0..4).map(|at| scope.spawn(thread(at))).collect();
        wait_for(&place.path().join("count"));
        thread::sleep(Duration::from_millis(50));
        let_go(place.path());
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(made.iter().all(|rref| *rref == made[0]));
    assert_eq!(count(place.path()), 1);
    assert_eq!(told.of("started").len(), 2, "{:?}", told.lines());
    assert_eq!(store.rrefs().unwrap().len(), 2);
}

#[test]
fn different_contexts_do_not_wait_for_each_other() {
    let place = folder();
    let mut other = Running::start(child("realize", place.path()));
    other.wait_for("building");
    // The same stage with another config, while the other process builds it.
    let store = Store::open(place.path().join("store")).unwrap();
    let elsewhere = folder();
    let_go(elsewhere.path());
    let place_of = elsewhere.path().to_owned();
    let second = Slow {
        place: place_of,
        ..Slow::new("second".to_owned())
    };
    let told = Told::default();
    let run = Realize::new(&store).observer(&told);
    run.run(&instantiate(second).unwrap()).unwrap();
    assert!(told.of("waiting").is_empty());
    let_go(place.path());
    other.wait_for("made");
    other.end();
}
