//! Runs whose stages are tasks of an executor that a program brings along: what is made, what fails, and what is refused.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::store::RunStanding;
use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::line::Line;

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// Starts a run that goes on in the background.
fn start(line: &Line, arguments: &str) -> Child {
    let mut command = line.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_spread"))
}

/// Returns how often leaves ran: all their numbers, sorted.
fn ran(line: &Line) -> Vec<u64> {
    let count = fs::read_to_string(line.folder.path().join("count")).unwrap_or_default();
    let mut ran: Vec<u64> = count.lines().map(|line| line.parse().unwrap()).collect();
    ran.sort_unstable();
    ran
}

#[test]
fn tasks_build_each_stage_once_and_publish_by_themselves() {
    let line = line();
    let made = line.json("run --local --leaves 30 -q");
    assert_eq!(
        (&made["report"]["built"], &made["report"]["runs"]),
        (&31.into(), &31.into())
    );
    assert_eq!(line.out("cat sum sum.json").trim(), "435");
    assert_eq!(ran(&line), (0..30).collect::<Vec<_>>());
    let again = line.json("run --leaves 30 -q");
    assert_eq!(again["report"]["built"], 0);
    assert!(line.out("log leaf").starts_with("leaf "));
    assert_eq!(line.say("check").code, 0);
    // A stage that is forced runs once more.
    let forced = line.json("run --local --leaves 30 --force sum -q");
    assert_eq!(forced["report"]["built"], 1);
    for run in line.store.runs().unwrap() {
        assert_eq!(run.standing().unwrap(), RunStanding::Ended);
    }
}

#[test]
fn a_stage_that_aborts_fails_alone() {
    let line = line();
    let said = line.say("run --local --leaves 9 --aborts 7 --keep-going --retries 1 -q");
    assert_eq!(said.code, 1);
    for said_so in [
        "stage `leaf number=7` failed in run 0",
        "its process was killed by SIGABRT (signal 6)",
    ] {
        assert!(said.err.contains(said_so), "{}", said.err);
    }
    assert!(said.err.contains("it was tried 2 times"), "{}", said.err);
    assert!(
        said.err.contains("1 stage that needs it was not run"),
        "{}",
        said.err
    );
    assert_eq!(line.store.rrefs().unwrap().len(), 8);
    let failed = line.store.failed_builds().unwrap();
    assert_eq!(failed.len(), 1);
    assert!(
        fs::read_to_string(failed[0].log())
            .unwrap()
            .contains("leaf 7")
    );
}

#[test]
fn a_plan_that_differs_ends_the_run() {
    let line = line();
    let said = line.say("run --local --leaves 3 --changing --retries 1000 --keep-going -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("the plan differs in the process of stage `leaf`: the stage is not in it"),
        "{}",
        said.err
    );
    assert_eq!(line.store.rrefs().unwrap().len(), 0);
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
}

#[test]
fn a_stage_that_kills_its_task_takes_no_other_with_it() {
    let line = line();
    // From now on it is known how long leaves take, and they share tasks.
    assert_eq!(line.say("run --local --leaves 4 -q").code, 0);
    let said = line.say("run --local --leaves 12 --kills 6 --keep-going -q");
    assert_eq!(said.code, 1);
    for said_so in [
        "stage `leaf number=6` ended 4 times without a result",
        "1 stage that needs it was not run",
    ] {
        assert!(said.err.contains(said_so), "{}", said.err);
    }
    // Two sums were asked for, and one of them is there.
    assert_eq!(line.store.rrefs().unwrap().len(), 12);
}

#[test]
fn builds_for_which_there_was_no_room_are_packed_as_others_are() {
    let line = line();
    assert_eq!(line.say("run --local --busy --leaves 40 -q").code, 0);
    let run = line.store.run_named("-1").unwrap();
    let batches = fs::read_dir(run.path().join("orders")).unwrap().flatten();
    let files = batches.flat_map(|batch| fs::read_dir(batch.path()).unwrap().flatten());
    let orders = files.filter(|file| file.path().with_extension("said").exists());
    // A file for what each task says, and one for what it has to do.
    let tasks = orders.count() / 2;
    assert!(tasks < 20, "{tasks} tasks");
}

#[test]
fn two_runs_of_one_plan_build_each_stage_once() {
    let line = line();
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let runs = [(); 2].map(|()| start(&line, "run --local --leaves 4 -q"));
    until("nothing runs", || ran(&line).len() == 4);
    sleep(Duration::from_millis(500));
    fs::remove_file(hold).unwrap();
    for run in runs {
        assert!(run.wait_with_output().unwrap().status.success());
    }
    assert_eq!(ran(&line), [0, 1, 2, 3]);
    assert_eq!(line.store.rrefs().unwrap().len(), 5);
}

#[test]
fn a_program_that_is_built_again_does_no_harm() {
    let folder = tests::store::folder();
    let program = folder.path().join("experiment");
    fs::copy(env!("CARGO_BIN_EXE_spread"), &program).unwrap();
    let line = Line::empty(program.to_string_lossy().into_owned().leak());
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --local --leaves 4 -q");
    until("nothing runs", || ran(&line).len() == 4);
    fs::remove_file(&program).unwrap();
    fs::write(&program, "no program any more").unwrap();
    fs::remove_file(hold).unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(line.store.rrefs().unwrap().len(), 5);
}

#[test]
fn the_record_of_a_failure_says_who_ordered_it() {
    let line = line();
    let said = line.say("run --local --leaves 2 --aborts 1 --retries 1 -q");
    assert_eq!(said.code, 1);
    let failed = line.store.failed_builds().unwrap().remove(0);
    let record = failed.record().unwrap().unwrap();
    assert_eq!((record.index, record.attempts), (0, 2));
    assert_eq!(record.dref.name().as_str(), "leaf");
    assert!(record.error.contains("SIGABRT"), "{}", record.error);
    let order = record.order.unwrap();
    let run = line.store.run_named("-1").unwrap();
    assert_eq!(order.run, run.id());
    assert!(run.path().join(&order.path).is_file());
    // It was told, so the next run tries it again.
    let said = line.say("run --local --leaves 2 --aborts 1 -q");
    assert_eq!(said.code, 1);
    assert_eq!(ran(&line), [0, 1, 1, 1]);
    // Keys of later versions are passed over, and earlier versions wrote no record.
    let path = failed.folder.join("failure.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replacen('{', "{\"later\": [1],", 1);
    fs::write(&path, text).unwrap();
    assert_eq!(failed.record().unwrap().unwrap().attempts, 2);
    fs::remove_file(&path).unwrap();
    assert_eq!(failed.record().unwrap(), None);
    assert_eq!(line.store.failed_builds().unwrap().len(), 2);
    assert!(
        line.out(&format!("log {}", failed.folder.display()))
            .contains("leaf 1")
    );
    // On threads nobody orders.
    let said = line.say("run --on processes --leaves 2 --aborts 1 -q");
    assert_eq!(said.code, 1);
    let failed = line.store.failed_builds().unwrap().pop().unwrap();
    assert_eq!(failed.record().unwrap().unwrap().order, None);
}
