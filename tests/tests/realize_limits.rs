//! Retries and time limits: failing runs are retried, and runs that take too long are told to stop.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::plan::Limits;
use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::{Error, ErrorKind};
use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tests::runs::{Told, assert_says, names, scratch};

/// A stage whose realizers are given by the tests.
#[derive(Config)]
struct Work {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
}

#[stage]
fn work(b: &Build<Work>) -> Result<WorkOutputs> {
    let text = b.text.save("text")?;
    Ok(WorkOutputs { text })
}

/// A stage with limits in its attribute.
#[derive(Config)]
struct Limited {
    #[config(default, unhashed)]
    succeeds: bool,
    #[config(default, unhashed)]
    fails: u32,
}

static TRIED: AtomicU32 = AtomicU32::new(0);

#[stage(retries = 2, timeout = "1d 2h")]
fn limited(b: &Build<Limited>) -> Result<()> {
    match TRIED.fetch_add(1, SeqCst) < b.fails {
        true => Err("not yet".into()),
        false => Ok(()),
    }
}

const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(50);

fn doing<F>(f: F) -> DRef<Work>
where
    F: Fn(&Build<Work>) -> Result<()> + Send + Sync + 'static,
{
    let work = instantiate(Work::new()).unwrap();
    work.with_realizer("doing", move |b| -> Result<WorkOutputs> {
        f(b)?;
        let text = b.text.save("text")?;
        Ok(WorkOutputs { text })
    })
}

/// Returns a stage that fails this number of times.
fn failing(times: usize) -> (DRef<Work>, Arc<AtomicUsize>) {
    let tried = Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    let work = doing(move |b| {
        assert!(names(b.path()).is_empty(), "the folder is fresh");
        assert!(names(b.scratch()?).is_empty(), "so is this one");
        let before = count.fetch_add(1, SeqCst);
        writeln!(b.log(), "this is try {before}")?;
        fs::write(b.path().join("rubbish"), "")?;
        fs::write(b.scratch()?.join("rubbish"), "")?;
        match before {
            tried if tried < times && tried % 2 == 1 => panic!("panic {tried}"),
            tried if tried < times => Err(format!("error {tried}").into()),
            _ => Ok(fs::remove_file(b.path().join("rubbish"))?),
        }
    });
    (work, tried)
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

/// Waits until the condition holds, without a time limit.
fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        thread::sleep(SOON);
    }
}

#[test]
fn a_run_that_fails_is_made_again() {
    let (_folder, store) = scratch();
    let (work, tried) = failing(2);
    let told = Told::default();
    let run = Realize::new(&store)
        .retries(3)
        .retry_wait(SOON)
        .observer(&told);
    let (rref, report) = run.run_reporting(&work).unwrap();
    assert_eq!((tried.load(SeqCst), report.runs), (3, 3));
    assert_eq!(rref.builds()[0].attempts, 3);
    assert_eq!(names(rref.path()), ["text.txt"]);
    assert_eq!(
        told.lines()[2..5],
        [
            "started work#0",
            "retrying work#0 after 1, 3 left",
            "retrying work#0 after 2, 2 left"
        ]
    );
    assert!(told.of("failed").is_empty());
    assert!(names(&store.root().join("failed")).is_empty());
    let folder = rref.path().parent().unwrap();
    let log = names(folder)
        .into_iter()
        .find(|name| name.ends_with(".log"));
    let log = fs::read_to_string(folder.join(log.unwrap())).unwrap();
    for says in [
        "this is try 0\n",
        "error 0",
        "this is try 1\n",
        "it panicked: panic 1",
        "this is try 2\n",
        "try 3 of 4 begins in 2 ms",
    ] {
        assert!(log.contains(says), "{says:?} is not in {log}");
    }
}

#[test]
fn a_run_that_fails_each_time_fails() {
    let (_folder, store) = scratch();
    let (work, tried) = failing(100);
    let run = Realize::new(&store).retries(3).retry_wait(SOON);
    let error = error_of(run.run(&work));
    assert_eq!((error.kind(), tried.load(SeqCst)), (ErrorKind::Stage, 4));
    assert_says(&error, &["panic 3", "it was tried 4 times"]);
    let kept = names(&store.root().join("failed"));
    assert_eq!(kept.len(), 1);
    let log = store.root().join("failed").join(&kept[0]).join("log");
    assert_eq!(
        fs::read_to_string(log)
            .unwrap()
            .matches("this is try")
            .count(),
        4
    );
}

#[test]
fn nothing_is_tried_again_unless_it_is_asked_for() {
    let (_folder, store) = scratch();
    let (work, tried) = failing(100);
    error_of(store.realize(&work));
    assert_eq!(tried.load(SeqCst), 1);
    // The number for one stage precedes that of the run, which precedes the stage's own.
    let some = work.clone().with_limits(Limits::new().retries(1));
    let run = || Realize::new(&store).retry_wait(SOON);
    error_of(run().run(&some));
    assert_eq!(tried.swap(0, SeqCst), 3);
    error_of(run().retries(0).run(&some));
    assert_eq!(tried.swap(0, SeqCst), 1);
    error_of(run().retries(0).retries_of(&some, 2).run(&some));
    assert_eq!(tried.swap(0, SeqCst), 3);
    let limited = instantiate(Limited {
        fails: 2,
        ..Limited::new()
    })
    .unwrap();
    run().run(&limited).unwrap();
    assert_eq!(TRIED.load(SeqCst), 3);
}

#[test]
fn a_stage_that_is_not_in_the_plan_has_no_limits() {
    let (_folder, store) = scratch();
    let other = instantiate(Limited::new()).unwrap();
    let run = Realize::new(&store).timeout_of(&other, SOON);
    let error = error_of(run.run(&doing(|_| Ok(()))));
    assert_says(&error, &["has limits in this run, but is not in the plan"]);
}

#[test]
fn a_child_that_takes_too_long_is_ended() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        // Not only the shell is killed.
        b.run(
            b.command("sh")
                .args(["-c", "echo begun; sleep 1000; echo on"]),
        )?;
        Ok(())
    });
    let error = error_of(Realize::new(&store).timeout(LATER).run(&work));
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert_says(
        &error,
        &[
            "stage `work` failed in run 0",
            "it ran for ",
            "its time limit is 50 ms",
            "`sh -c \"echo begun; sleep 1000; echo on\"` was stopped",
            "#[stage(timeout = \"..\")]",
        ],
    );
    assert!(store.rrefs().unwrap().is_empty());
}

#[test]
fn a_child_that_does_not_want_to_end_is_killed() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        let script = "trap 'echo no' TERM; echo begun; while :; do sleep 1000 & wait; done";
        b.run(b.command("sh").args(["-c", script]))?;
        Ok(())
    });
    let run = Realize::new(&store).timeout(LATER).grace(LATER);
    assert_says(&error_of(run.run(&work)), &["was stopped"]);
    let failed = store.root().join("failed");
    let log = failed.join(&names(&failed)[0]).join("log");
    // The child got `SIGTERM` first.
    assert_eq!(fs::read_to_string(log).unwrap(), "begun\nno\n");
}

#[test]
fn a_stage_that_looks_stops() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let work = doing(|b| {
        loop {
            b.check()?;
            thread::sleep(SOON);
        }
    });
    let run = Realize::new(&store)
        .timeout_of(&work, LATER)
        .observer(&told);
    assert_says(
        &error_of(run.run(&work)),
        &["its time limit is 50 ms", "its time limit of 50 ms is up"],
    );
    assert!(told.of("overdue").is_empty());
    // Each attempt has the whole time limit.
    let run = Realize::new(&store)
        .timeout(LATER)
        .retries(2)
        .retry_wait(SOON);
    assert_eq!(
        run.run_reporting(&work).unwrap_err().kind(),
        ErrorKind::Stage
    );
}

#[test]
fn a_stage_that_ignores_its_limit_is_reported_and_not_published() {
    let (_folder, store) = scratch();
    let let_go = Arc::new(AtomicUsize::new(0));
    let go = let_go.clone();
    let work = doing(move |b| {
        wait_until(|| go.load(SeqCst) == 1);
        assert!(b.cancelled());
        Ok(())
    });
    let said = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Overdue { error, .. } = event {
            said.lock().unwrap().push(format!("{error:?}"));
            let_go.store(1, SeqCst);
        }
    };
    let run = Realize::new(&store)
        .timeout(LATER)
        .grace(LATER)
        .observer(observer);
    let error = error_of(run.run(&work));
    assert_says(
        &error,
        &[
            "its time limit is 50 ms",
            "came too late, and are not published",
            "call `b.check()?` in its loop",
        ],
    );
    assert!(store.rrefs().unwrap().is_empty());
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("stage `work` did not stop in run 0 within 50 ms of being told: its time limit of 50 ms is up"), "{said:?}");
}

#[test]
fn who_is_in_time_is_published() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        assert!(!b.cancelled());
        Ok(b.check()?)
    });
    let hour = Duration::from_secs(3600);
    Realize::new(&store).timeout(hour).run(&work).unwrap();
    let run = Realize::new(&store).force_all().timeout(SOON);
    run.timeout_of(&work, Duration::MAX).run(&work).unwrap();
}

/// A fallible stage.
#[derive(Config)]
struct Fragile {
    slow: bool,
}

static FRAGILE: AtomicU32 = AtomicU32::new(0);

#[stage(fallible, retries = 2)]
fn fragile(b: &Build<Fragile>) -> Result<()> {
    FRAGILE.fetch_add(1, SeqCst);
    if b.slow {
        loop {
            b.check()?;
            thread::sleep(SOON);
        }
    }
    Err("it cannot be done".into())
}

#[test]
fn a_failure_is_a_result_after_the_last_try_and_lateness_is_none() {
    let (_folder, store) = scratch();
    let fragile = instantiate(Fragile::new(false)).unwrap();
    let run = Realize::new(&store).retry_wait(SOON);
    let failure = run.run(&fragile).unwrap().unwrap_err();
    assert_eq!(FRAGILE.load(SeqCst), 3);
    assert!(failure.text().contains("it cannot be done"));

    let slow = instantiate(Fragile::new(true)).unwrap();
    let run = Realize::new(&store).retry_wait(SOON).timeout(LATER);
    // A timeout is not recorded as a failure, because it depends on the speed of the machine.
    assert_says(
        &error_of(run.run(&slow)),
        &["its time limit is 50 ms", "it was tried 3 times"],
    );
    assert_eq!(store.rrefs().unwrap().len(), 1);
}
