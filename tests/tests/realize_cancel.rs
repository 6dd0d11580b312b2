//! Cancelling runs by a token and by Ctrl-C.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::prelude::*;
use pylightnix::realize::{Cancel, Event};
use pylightnix::{Error, ErrorKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tests::runs::{Told, assert_says, names, scratch};
use tests::store::{Running, child, folder, part};

/// A stage with several behaviours.
#[derive(Config)]
struct Work {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    #[dref]
    after: Vec<DRef<Work>>,
    kind: String,
    /// The folder of the files on which it waits.
    #[config(default, unhashed)]
    place: PathBuf,
}

#[stage]
fn work(b: &Build<Work>) -> Result<WorkOutputs> {
    println!("\nin {}", b.kind);
    match &*b.kind {
        "looks" => loop {
            b.check()?;
            thread::sleep(SOON);
        },
        "child" => b.run(
            b.command("sh")
                .args(["-c", "echo $$ > $place/pid; sleep 1000"]),
        )?,
        "ignores" => thread::sleep(Duration::from_secs(1000)),
        "finishes" => wait_until(|| b.cancelled()),
        "fails" => return Err("it always does".into()),
        _ => {}
    }
    let text = b.text.save("text")?;
    Ok(WorkOutputs { text })
}

const SOON: Duration = Duration::from_millis(1);

fn of(kind: &str, place: &Path, after: &[&DRef<Work>]) -> DRef<Work> {
    let after = after.iter().map(|&work| work.clone()).collect();
    let config = Work::new(after, kind.to_owned());
    let place = place.to_owned();
    instantiate(Work { place, ..config }).unwrap()
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        thread::sleep(SOON);
    }
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

/// Returns an observer that cancels the token after this number of runs has begun.
fn after(cancel: &Cancel, runs: usize) -> impl Fn(&Event<'_>) + use<> {
    let (cancel, begun) = (cancel.clone(), Mutex::new(0));
    move |event| {
        if matches!(event, Event::Started { .. }) {
            let mut begun = begun.lock().unwrap();
            *begun += 1;
            if *begun == runs {
                cancel.cancel();
            }
        }
    }
}

#[test]
fn what_runs_is_told_and_what_is_finished_stays() {
    let (folder, store) = scratch();
    let place = folder.path();
    let before = of("quick", place, &[]);
    let plan = [
        of("looks", place, &[&before]),
        of("child", place, &[&before]),
        of("finishes", place, &[&before]),
    ];
    let last = of("last", place, &[&plan[0], &plan[1], &plan[2]]);
    let (cancel, told) = (Cancel::new(), Told::default());
    let run = Realize::new(&store).jobs(3).cancel(&cancel).observer(&told);
    let error = error_of(run.observer(after(&cancel, 4)).run(&last));
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_says(
        &error,
        &[
            "the run was cancelled: 2 of 5 stages are realized",
            "stage `work kind=looks` was stopped in run 0",
            "it was cancelled after ",
            "its folder is kept: ",
            "help: published results stay: run again to go on",
        ],
    );
    assert_eq!(error.parts().len(), 2);
    assert_eq!(
        (told.of("stopping").len(), told.of("cancelled").len()),
        (1, 2)
    );
    assert!(told.of("failed").is_empty());
    assert_eq!(store.rrefs().unwrap().len(), 2);
    assert!(store.plan(&plan[2]).unwrap().is_done());
}

#[test]
fn a_token_that_was_used_lets_nothing_begin() {
    let (folder, store) = scratch();
    let cancel = Cancel::new();
    cancel.cancel();
    let told = Told::default();
    let run = Realize::new(&store).cancel(&cancel).observer(&told);
    let error = error_of(run.run(&of("quick", folder.path(), &[])));
    assert_says(&error, &["the run was cancelled: 0 of 1 stages"]);
    assert!(told.of("started").is_empty() && cancel.is_cancelled());
}

#[test]
fn a_token_may_be_used_when_all_is_done() {
    let (folder, store) = scratch();
    let cancel = Cancel::new();
    let run = Realize::new(&store).cancel(&cancel);
    run.run(&of("quick", folder.path(), &[])).unwrap();
    cancel.cancel();
}

#[test]
fn who_waits_for_another_program_is_told() {
    let place = folder();
    let mut other = Running::start(child("looks", place.path()));
    other.wait_for("in looks");
    let store = Store::open(place.path().join("store")).unwrap();
    let cancel = Cancel::new();
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            cancel.cancel();
        }
    };
    let run = Realize::new(&store).cancel(&cancel).observer(observer);
    let error = error_of(run.run(&of("looks", place.path(), &[])));
    assert_says(&error, &["stage `work` was cancelled before it ran"]);
}

#[test]
fn who_waits_for_another_try_is_told() {
    let (folder, store) = scratch();
    let cancel = Cancel::new();
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Retrying { .. }) {
            cancel.cancel();
        }
    };
    let run = Realize::new(&store).cancel(&cancel).observer(observer);
    let run = run.retries(3).retry_wait(Duration::from_secs(1000));
    let error = error_of(run.run(&of("fails", folder.path(), &[])));
    assert_says(
        &error,
        &["cancelled between two attempts", "it always does"],
    );
}

#[test]
fn who_waits_for_resources_is_told() {
    let (folder, store) = scratch();
    let cancel = Cancel::new();
    let place = folder.path();
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::Queued { .. }) {
            cancel.cancel();
        }
    };
    let run = Realize::new(&store).jobs(2).threads(1).cancel(&cancel);
    let plan = [of("looks", place, &[]), of("finishes", place, &[])];
    let error = error_of(run.observer(observer).run(&plan));
    assert_eq!(
        (error.kind(), error.parts().len()),
        (
            ErrorKind::Cancelled,
            usize::from(store.rrefs().unwrap().is_empty())
        )
    );
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((kind, place)) = part() else {
        return;
    };
    let store = Store::open(place.join("store")).unwrap();
    let before = of("quick", &place, &[]);
    let plan = of(&kind, &place, &[&before]);
    let plan = match &*kind {
        "looks" => of("looks", &place, &[]),
        _ => plan,
    };
    let observer = |event: &Event<'_>| match event {
        Event::Stopping { running, .. } => println!("\nstopping {running}"),
        Event::Overdue { .. } => println!("\noverdue"),
        _ => {}
    };
    let cancel = Cancel::on_signals().unwrap();
    let run = Realize::new(&store).cancel(&cancel).grace(SOON);
    let error = error_of(run.observer(observer).run(&plan));
    println!("\nended {:?}", error.kind());
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

#[test]
fn ctrl_c_stops_a_run_in_order() {
    let place = folder();
    for signal in ["INT", "TERM"] {
        let mut program = Running::start(child("child", place.path()));
        let pid = place.path().join("pid");
        wait_until(|| std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
        let pid_text = std::fs::read_to_string(&pid).unwrap();
        assert!(is_running(&pid_text));
        program.signal(signal);
        assert_eq!(program.wait_for("stopping"), "1");
        assert_eq!(program.wait_for("ended"), "Cancelled");
        program.end();
        wait_until(|| !is_running(&pid_text));
        std::fs::remove_file(&pid).unwrap();
        // Earlier results are in the store, and nothing blocks the next run.
        let store = Store::open(place.path().join("store")).unwrap();
        assert_eq!(store.rrefs().unwrap().len(), 1);
        assert!(
            store
                .plan(&of("quick", place.path(), &[]))
                .unwrap()
                .is_done()
        );
        assert!(names(&store.root().join("locks/b")).is_empty());
    }
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let place = folder();
    let mut codes = BTreeMap::new();
    for signal in ["INT", "TERM"] {
        let mut program = Running::start(child("ignores", place.path()));
        program.wait_for("in ignores");
        program.signal(signal);
        program.wait_for("overdue");
        program.signal(signal);
        codes.insert(signal, program.status().code());
    }
    assert_eq!(
        codes,
        BTreeMap::from([("INT", Some(130)), ("TERM", Some(143))])
    );
    let store = Store::open(place.path().join("store")).unwrap();
    assert!(
        store
            .plan(&of("quick", place.path(), &[]))
            .unwrap()
            .is_done()
    );
    store.realize(&of("last", place.path(), &[])).unwrap();
}
