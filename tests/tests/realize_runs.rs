//! Multi-run builds: a part of the results of one build is never taken for all of them.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::Error;
use pylightnix::lens::{One, Try};
use pylightnix::prelude::*;
use pylightnix::realize::{Action, Cancel, Event, Reason};
use pylightnix::store::Removal;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tests::runs::{assert_says, scratch};
use tests::store::{Running, child, folder, part};

/// Defines stages whose results are the indices of their runs.
///
/// Generic stages are registered only for the types that they list, so that several with one name fit into this program.
macro_rules! draws {
    ($name:ident, $takes:ty, $($option:tt)*) => {
        mod $name {
            use super::*;

            #[derive(Config)]
            pub struct Draw<T: Send + Sync + 'static> {
                #[selfref("index.json")]
                pub out: SelfRef<Json<usize>>,
                pub kind: String,
                /// The folder in which it counts its runs, and finds its instructions.
                #[config(default, unhashed)]
                pub place: PathBuf,
                #[config(default, unhashed)]
                pub of: PhantomData<T>,
            }

            #[stage(version = 1, $($option)*)]
            fn draw<T: Send + Sync + 'static>(b: &Build<Draw<T>>) -> Result<DrawOutputs> {
                let mut count = OpenOptions::new();
                let mut count = count.create(true).append(true).open(b.place.join("count"))?;
                // In one write, because other processes write too.
                count.write_all(format!("{}\n", b.index()).as_bytes())?;
                let hold = b.place.join(format!("hold-{}", b.index()));
                if hold.exists() {
                    println!("\nholding");
                    wait_until(|| !hold.exists());
                }
                if b.place.join(format!("fail-{}", b.index())).exists() {
                    return Err(format!("told to fail in run {}", b.index()).into());
                }
                let value = if b.kind == "same" { 7 } else { b.index() };
                Ok(DrawOutputs { out: b.out.save(&value)? })
            }

            fn index<T: Send + Sync + 'static>(rref: &RRef<Draw<T>>) -> Result<usize> {
                Ok(rref.out.load()?)
            }

            pub fn plan(kind: &str, place: &Path) -> DRef<Draw<()>, $takes> {
                // Avoids a warning: not every matcher in these tests uses `index`.
                let _: fn(&RRef<Draw<()>>) -> Result<usize> = index;
                let place = place.to_owned();
                instantiate(Draw { place, ..Draw::new(kind.to_owned()) }).unwrap()
            }
        }
    };
}

draws!(six, One, matcher = highest(index), nouts = 6);
draws!(one, One, matcher = highest(index), nouts = 1);
draws!(two, One, matcher = highest(index), nouts = 2);
draws!(five, One, matcher = highest(index), nouts = 5);
draws!(forty, One, matcher = highest(index), nouts = 40);
// These take the only realization without being called.
draws!(newest_of_two, One, nouts = 2);
draws!(newest_of_six, One, nouts = 6);
draws!(
    fallible,
    Try<One>,
    matcher = highest(index),
    nouts = 6,
    fallible
);

fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it waits for ever"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the indices of the runs made since the last call.
fn made(place: &Path) -> Vec<usize> {
    let text = fs::read_to_string(place.join("count")).unwrap_or_default();
    let _ = fs::remove_file(place.join("count"));
    let mut indexes: Vec<_> = text.lines().map(|line| line.parse().unwrap()).collect();
    indexes.sort_unstable();
    indexes
}

/// Runs a plan on one thread, and cancels it when the run with this index begins; that run completes.
fn stop_in<T: pylightnix::plan::Target>(store: &Store, plan: &T, at: usize, forced: bool) -> Error {
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let observer = move |event: &Event<'_>| {
        if matches!(event, Event::Started { index, .. } if *index == at) {
            stop.cancel();
        }
    };
    let run = Realize::new(store)
        .jobs(1)
        .cancel(&cancel)
        .observer(observer);
    let run = if forced { run.force_all() } else { run };
    run.run(plan).err().expect("it is stopped")
}

fn marks(store: &Store) -> usize {
    let folders = fs::read_dir(store.root().join(".begun"));
    let folders = folders.into_iter().flatten().flatten();
    folders
        .map(|folder| fs::read_dir(folder.path()).unwrap().count())
        .sum()
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((kind, place)) = part() else {
        return;
    };
    let store = Store::open(place.join("store")).unwrap();
    let run = Realize::new(&store).jobs(1).observer(|event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            println!("\nwaiting");
        }
    });
    let rref = match kind.strip_prefix("forced-") {
        Some(kind) => run.force_all().run(&six::plan(kind, &place)),
        None => run.run(&six::plan(&kind, &place)),
    };
    println!("\nmade {}", rref.unwrap().out.load().unwrap());
}

/// Kills a process that makes six runs, at the beginning of the run with this index.
fn kill_in(kind: &str, place: &Path, at: usize) {
    let hold = place.join(format!("hold-{at}"));
    fs::write(&hold, "").unwrap();
    let mut running = Running::start(child(kind, place));
    running.wait_for("holding");
    running.kill();
    fs::remove_file(hold).unwrap();
}

#[test]
fn a_build_that_is_killed_after_any_run_goes_on() {
    for ended in 0..6 {
        let place = folder();
        let place = place.path();
        kill_in("differ", place, ended);
        assert_eq!(made(place), (0..=ended).collect::<Vec<_>>());
        let store = Store::open(place.join("store")).unwrap();
        let plan = six::plan("differ", place);
        let dry = store.plan(&plan).unwrap();
        let reason = match ended {
            0 => Reason::Missing,
            there => Reason::RunsMissing { there, of: 6 },
        };
        let runs = 6 - ended;
        assert_eq!(dry.steps[0].action, Action::Build { runs, reason });
        if ended == 3 {
            assert!(
                dry.to_string().contains("3 runs: 3 of 6 runs are complete"),
                "{dry}"
            );
            let error = Realize::new(&store).realized(&plan).unwrap_err();
            assert_says(
                &error,
                &["stage `draw` would have to run: 3 of 6 runs are complete"],
            );
        }
        assert_eq!(store.realize(&plan).unwrap().out.load().unwrap(), 5);
        assert_eq!(
            made(place),
            (ended..6).collect::<Vec<_>>(),
            "those and no others"
        );
        assert_eq!(marks(&store), 0);
        store.realize(&plan).unwrap();
        assert!(made(place).is_empty(), "it is whole");
        assert!(store.check().run().unwrap().is_sound());
    }
}

#[test]
fn runs_with_equal_results_are_counted() {
    let place = folder();
    let place = place.path();
    kill_in("same", place, 4);
    made(place);
    let store = Store::open(place.join("store")).unwrap();
    let plan = six::plan("same", place);
    let rref = store.realize(&plan).unwrap();
    assert_eq!(made(place), [4, 5]);
    let mut builds: Vec<_> = (rref.builds().iter())
        .map(|build| (build.index, build.of))
        .collect();
    builds.sort_unstable();
    let six: Vec<_> = (0..6).map(|index| (Some(index), Some(6))).collect();
    assert_eq!(builds, six, "one realization, six runs");
    store.realize(&plan).unwrap();
    assert!(made(place).is_empty());
    let forced = Realize::new(&store).force_all().run(&plan).unwrap();
    assert_eq!(forced, rref);
    assert_eq!(
        made(place),
        [6, 7, 8, 9, 10, 11],
        "they go on where the others ended"
    );
}

/// If there is one realization and its matcher always takes a single candidate, the matcher is not called.
#[test]
fn the_only_realization_is_a_part_of_a_build_too() {
    let (folder, store) = scratch();
    let place = folder.path();
    store.realize(&newest_of_two::plan("same", place)).unwrap();
    assert_eq!(made(place), [0, 1]);
    let plan = newest_of_six::plan("same", place);
    stop_in(&store, &plan, 3, false);
    assert_eq!(made(place), [2, 3]);
    store.realize(&plan).unwrap();
    assert_eq!(made(place), [4, 5]);
    store.realize(&plan).unwrap();
    store.realize(&newest_of_two::plan("same", place)).unwrap();
    assert!(made(place).is_empty());
}

#[test]
fn a_second_process_waits_for_all_runs() {
    let place = folder();
    let place = place.path();
    let hold = place.join("hold-2");
    fs::write(&hold, "").unwrap();
    let mut first = Running::start(child("differ", place));
    first.wait_for("holding");
    let mut second = Running::start(child("differ", place));
    second.wait_for("waiting");
    fs::remove_file(hold).unwrap();
    assert_eq!(
        (first.wait_for("made"), second.wait_for("made")),
        ("5".into(), "5".into())
    );
    assert_eq!(made(place), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_a_person_stops_goes_on_with_the_rest() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place).with_matcher(matcher::all());
    let error = stop_in(&store, &plan, 2, false);
    assert_says(&error, &["run again to go on"]);
    assert_eq!(made(place), [0, 1, 2]);
    assert_eq!(store.realize(&plan).unwrap().len(), 6);
    assert_eq!(made(place), [3, 4, 5]);
    // One of two runs is a part too.
    let plan = two::plan("pair", place);
    stop_in(&store, &plan, 0, false);
    assert_eq!(store.realize(&plan).unwrap().out.load().unwrap(), 1);
    assert_eq!(made(place), [0, 1]);
}

#[test]
fn runs_that_fail_are_tried_again() {
    let (folder, store) = scratch();
    let place = folder.path();
    for index in [1, 3, 5] {
        fs::write(place.join(format!("fail-{index}")), "").unwrap();
    }
    let plan = six::plan("differ", place);
    for tries in 0..2 {
        assert_says(&store.realize(&plan).unwrap_err(), &["told to fail in run"]);
        let tried = if tries == 0 {
            vec![0, 1, 2, 3, 4, 5]
        } else {
            vec![1, 3, 5]
        };
        assert_eq!(made(place), tried);
    }
    fs::remove_file(place.join("fail-3")).unwrap();
    fs::remove_file(place.join("fail-5")).unwrap();
    store.realize(&plan).unwrap_err();
    assert_eq!(made(place), [1, 3, 5]);
    fs::remove_file(place.join("fail-1")).unwrap();
    assert_eq!(store.realize(&plan).unwrap().out.load().unwrap(), 5);
    assert_eq!(made(place), [1]);
    assert_eq!(
        marks(&store),
        0,
        "the last one alone ends the build as well"
    );
}

#[test]
fn a_failure_that_is_a_result_is_a_run_that_ended() {
    let (folder, store) = scratch();
    let place = folder.path();
    for index in 0..6 {
        fs::write(place.join(format!("fail-{index}")), "").unwrap();
    }
    let plan = fallible::plan("differ", place);
    stop_in(&store, &plan, 1, false);
    assert_eq!(made(place), [0, 1]);
    // One of the remaining runs may succeed; a run that failed while it was stopped may be among them.
    fs::remove_file(place.join("fail-4")).unwrap();
    let rref = store.realize(&plan).unwrap();
    assert!(made(place).ends_with(&[2, 3, 4, 5]));
    assert_eq!(rref.unwrap().out.load().unwrap(), 4);
    store.realize(&plan).unwrap().unwrap();
    assert!(made(place).is_empty());
}

#[test]
fn more_runs_than_before_are_made_and_fewer_are_not() {
    let (folder, store) = scratch();
    let place = folder.path();
    store.realize(&five::plan("differ", place)).unwrap();
    assert_eq!(made(place), [0, 1, 2, 3, 4]);
    let dry = store.plan(&forty::plan("differ", place)).unwrap();
    let reason = Reason::RunsMissing { there: 5, of: 40 };
    assert_eq!(dry.steps[0].action, Action::Build { runs: 35, reason });
    stop_in(&store, &forty::plan("differ", place), 9, false);
    assert_eq!(made(place), [5, 6, 7, 8, 9]);
    store.realize(&five::plan("differ", place)).unwrap();
    store.realize(&one::plan("differ", place)).unwrap();
    assert!(made(place).is_empty(), "five were there");
    let rref = store.realize(&forty::plan("differ", place)).unwrap();
    assert_eq!(made(place), (10..40).collect::<Vec<_>>());
    assert_eq!(rref.out.load().unwrap(), 39);
    store.realize(&five::plan("differ", place)).unwrap();
    assert!(made(place).is_empty() && marks(&store) == 0);
    // Equal results, of which one realization is left.
    store.realize(&two::plan("same", place)).unwrap();
    store.realize(&five::plan("same", place)).unwrap();
    assert_eq!(made(place), [0, 1, 2, 3, 4]);
}

#[test]
fn a_forced_build_that_is_killed_goes_on() {
    let place = folder();
    let place = place.path();
    let store = Store::open(place.join("store")).unwrap();
    let plan = six::plan("differ", place);
    store.realize(&plan).unwrap();
    made(place);
    // Cached and trusted: a build that begins now must be noticed anyway.
    thread::sleep(Duration::from_millis(200));
    assert!(store.plan(&plan).unwrap().is_done());
    kill_in("forced-differ", place, 6);
    assert_eq!(made(place), [6]);
    let reason = Reason::RunsMissing { there: 6, of: 12 };
    let action = Action::Build { runs: 6, reason };
    assert_eq!(store.plan(&plan).unwrap().steps[0].action, action);
    kill_in("differ", place, 8);
    assert_eq!(made(place), [6, 7, 8]);
    let reason = Reason::RunsMissing { there: 8, of: 12 };
    assert_eq!(
        store.plan(&plan).unwrap().steps[0].action,
        Action::Build { runs: 4, reason }
    );
    assert_eq!(store.realize(&plan).unwrap().out.load().unwrap(), 11);
    assert_eq!(made(place), [8, 9, 10, 11]);
    store.realize(&plan).unwrap();
    assert!(made(place).is_empty());
}

#[test]
fn what_is_left_of_a_whole_build_is_whole() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place);
    let all = store
        .realize(&plan.clone().with_matcher(matcher::all()))
        .unwrap();
    made(place);
    // One of six results that was packed, copied or left by a removal does not require the other five.
    let archive = place.join("one.zip");
    store.pack([all[2].id()], &archive).unwrap();
    let other = Store::open(place.join("unpacked")).unwrap();
    other.unpack(&archive).unwrap();
    assert_eq!(other.realize(&plan).unwrap().id(), all[2].id());
    let other = Store::open(place.join("copied")).unwrap();
    other.copy_from(&store, [all[3].id()]).unwrap();
    assert_eq!(other.realize(&plan).unwrap().id(), all[3].id());
    for gone in &all[1..] {
        Removal::run(store.remove(gone.id()).force()).unwrap();
    }
    assert_eq!(store.realize(&plan).unwrap().id(), all[0].id());
    assert!(made(place).is_empty());
}

#[test]
fn what_is_there_of_a_part_of_a_build_stays_a_part() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place);
    stop_in(&store, &plan, 2, false);
    made(place);
    // A copy has the mark too.
    let rrefs = store.rrefs_of(plan.id()).unwrap();
    let other = Store::open(place.join("copied")).unwrap();
    other.copy_from(&store, &rrefs).unwrap();
    other.realize(&plan).unwrap();
    assert_eq!(made(place), [3, 4, 5]);
    assert_eq!(marks(&other), 0);
    // The mark also survives a garbage collection: the run whose result was removed is made again.
    let gone = rrefs.iter().find(|rref| {
        store
            .realization(rref)
            .unwrap()
            .builds()
            .iter()
            .any(|build| build.index == Some(1))
    });
    store.remove(gone.unwrap()).force().run().unwrap();
    store.realize(&plan).unwrap();
    assert_eq!(made(place), [1, 3, 4, 5]);
}

#[test]
fn marks_go_with_their_derivation() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place);
    stop_in(&store, &plan, 1, false);
    assert_eq!(marks(&store), 1);
    store.remove_derivation(plan.id()).force().run().unwrap();
    assert_eq!(marks(&store), 0);
    stop_in(&store, &plan, 1, false);
    let (_folder, unused) = tests::store::unused(&store);
    unused.gc().run().unwrap();
    assert_eq!(marks(&unused), 0);
}

#[test]
fn a_mark_that_cannot_be_read_is_one_of_all_runs() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place);
    stop_in(&store, &plan, 1, false);
    made(place);
    let of_it = fs::read_dir(store.root().join(".begun"))
        .unwrap()
        .next()
        .unwrap();
    let mark = fs::read_dir(of_it.unwrap().path()).unwrap().next().unwrap();
    fs::write(mark.unwrap().path(), "{").unwrap();
    let store = Store::open(store.root()).unwrap();
    store.realize(&plan).unwrap();
    assert_eq!(made(place), [2, 3, 4, 5]);
    store.realize(&plan).unwrap();
    assert!(made(place).is_empty());
}

#[test]
fn stepping_goes_on_with_the_rest() {
    let (folder, store) = scratch();
    let place = folder.path();
    let plan = six::plan("differ", place);
    stop_in(&store, &plan, 3, false);
    made(place);
    let mut stepping = store.step(plan.clone()).unwrap();
    let next = stepping.next_to_build().unwrap().unwrap();
    assert_eq!((next.runs, next.first), (2, 4));
    assert_eq!(
        next.to_string(),
        format!("{plan}, 2 runs: 4 of 6 runs are complete")
    );
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), 5);
    assert_eq!(made(place), [4, 5]);
}
