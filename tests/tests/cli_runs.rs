//! What runs leave: their folders, `runs`, `run --again`, and plans made again from answers.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pylightnix::experiment::Answers;
use pylightnix::store::RunStanding;
use pylightnix::uuid::{NoContext, Timestamp, Uuid};
use serde_json::Value;
use tests::line::Line;

fn asking(count: &str) -> Line {
    let line = Line::empty(env!("CARGO_BIN_EXE_asking"));
    fs::write(line.folder.path().join("count.txt"), count).unwrap();
    line
}

fn experiment() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_experiment"))
}

/// Returns the folders of runs, newest first.
fn folders(line: &Line) -> Vec<PathBuf> {
    let runs = line.store.runs().unwrap();
    runs.iter().map(|run| run.path().to_owned()).collect()
}

#[test]
fn a_run_that_builds_nothing_leaves_nothing() {
    let line = experiment();
    assert_eq!(line.say("run -q").code, 0);
    assert_eq!(folders(&line).len(), 1);
    assert_eq!(line.say("run -q").code, 0);
    assert_eq!(line.say("plan").code, 0);
    assert_eq!(folders(&line).len(), 1);
    let listed = line.json("runs");
    assert_eq!(listed[0]["standing"], "ended");
    assert_eq!(
        (&listed[0]["built"], &listed[0]["failed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(listed[0]["command"][1], "run");
}

#[test]
fn a_run_keeps_its_plan_and_its_events() {
    let line = asking("2");
    assert_eq!(line.say("run -q").code, 0);
    let run = line.json("runs show -1");
    let events = run["events"].as_array().unwrap();
    let named = |name: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["event"] == name)
            .collect()
    };
    // The part that was asked for, and then the whole.
    let [asked, whole] = &named("planned")[..] else {
        panic!("{events:?}")
    };
    assert_eq!(asked["stages"].as_array().unwrap().len(), 2);
    let stages = whole["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 4);
    assert!(stages.iter().all(|stage| stage["code"].as_str().is_some()));
    assert_eq!(stages[3]["label"], "number=2");
    assert_eq!(stages[3]["deps"].as_array().unwrap().len(), 1);
    assert_eq!(named("published").len(), 4);
    assert_eq!(named("ended")[0]["report"]["built"], 4);
    let answers = fs::read_to_string(folders(&line)[0].join("answers.json")).unwrap();
    let answers: Value = serde_json::from_str(&answers).unwrap();
    let asked = answers[""].as_array().unwrap();
    assert_eq!(
        (&asked[0]["asked"], &asked[1]["asked"]),
        (&"file".into(), &"realize".into())
    );
    let shown = line.out("runs show -1");
    assert!(shown.contains("built    count in"), "{shown}");
}

#[test]
fn a_plan_is_made_again_in_another_process() {
    let line = asking("2");
    assert_eq!(line.say("run -q").code, 0);
    // It reads no file and realizes nothing.
    fs::write(line.folder.path().join("count.txt"), "7").unwrap();
    let again = line.out("replan -1");
    assert_eq!(again.lines().count(), 4);
    assert_eq!(folders(&line).len(), 1);
    // Another program: it asks for nothing.
    let answers = folders(&line)[0].join("answers.json");
    fs::write(&answers, "{}").unwrap();
    let differs = line.say("replan -1");
    assert_eq!(differs.code, 1);
    assert!(
        differs
            .err
            .contains("the plan differs: it asks for the file count.txt"),
        "{differs:?}"
    );
}

#[test]
fn a_failed_run_says_so() {
    let line = experiment();
    assert_eq!(line.say("run broken -q").code, 1);
    let run = line.json("runs show -1");
    assert_eq!(
        (&run["standing"], &run["failed"]),
        (&"failed".into(), &1.into())
    );
    let shown = line.out("runs show -1");
    assert!(shown.contains("failed   broken"), "{shown}");
}

#[test]
fn a_run_is_run_again_with_its_arguments() {
    let line = experiment();
    assert_eq!(line.say("run mean --count 3 -q").code, 0);
    assert_eq!(line.say("run mean --count 4 -q").code, 0);
    let again = line.say("run --again -2 ");
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.err.contains("run mean --count 3 -q"), "{again:?}");
    let nothing = line.say("run --again 0000");
    assert_eq!(nothing.code, 1);
    assert!(
        nothing.err.contains("there is no run `0000`"),
        "{nothing:?}"
    );
}

#[test]
fn a_killed_run_is_seen_to_be_killed() {
    let line = experiment();
    let mut running: std::process::Child = line
        .command("run endless -q")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while folders(&line).is_empty() {
        assert!(Instant::now() < until, "no run began");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(
        line.store.runs().unwrap()[0].standing().unwrap(),
        RunStanding::Running
    );
    running.kill().unwrap();
    running.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while line.store.runs().unwrap()[0].standing().unwrap() != RunStanding::Killed {
        assert!(Instant::now() < until, "it is still said to run");
        sleep(Duration::from_millis(20));
    }
    // A line that is not whole is left out.
    let events = folders(&line)[0].join("events.jsonl");
    let mut text = fs::read_to_string(&events).unwrap();
    text.push_str("{\"event\": \"publ");
    fs::write(&events, text).unwrap();
    assert_eq!(line.json("runs")[0]["standing"], "killed");
    assert_eq!(line.say("check").code, 0);
}

#[test]
fn a_run_killed_at_any_moment_can_be_read() {
    let line = asking("40");
    let begun = Instant::now();
    assert_eq!(line.say("run -q").code, 0);
    let whole = begun.elapsed();
    for moment in 0..16 {
        let killed = line
            .command("run -q --force part")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut killed = killed.unwrap();
        sleep(whole * moment / 16);
        killed.kill().unwrap();
        killed.wait().unwrap();
        for run in line.store.runs().unwrap() {
            run.record().unwrap();
            run.standing().unwrap();
            run.events().unwrap();
            serde_json::from_str::<Answers>(&run.answers().unwrap()).unwrap();
        }
    }
    assert_eq!(line.say("check").code, 0);
    let runs = line.json("runs");
    let standings: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["standing"])
        .collect();
    assert!(
        standings.iter().any(|standing| *standing == "killed"),
        "{standings:?}"
    );
}

#[test]
fn the_logs_of_a_run_are_printed() {
    let line = experiment();
    assert_eq!(line.say("run mean --count 3 -q").code, 0);
    assert_eq!(line.say("run mean --count 4 -q").code, 0);
    assert_eq!(line.say("run broken --count 4 -q").code, 1);
    assert_eq!(line.say("log --run -3").out, "making 3 numbers\n");
    let second = line.say("log --run -2 numbers");
    assert_eq!(second.out, "making 4 numbers\n");
    assert!(second.err.starts_with("numbers (done, "), "{second:?}");
    let failed = line.json("log --run -1");
    assert_eq!(failed[0]["name"], "broken");
    assert_eq!(failed[0]["state"], "failed");
    assert!(line.say("log --run -1").err.contains("broken (failed, "));
    let none = line.say("log --run -1 numbers");
    assert!(none.err.contains("no builds of that name"), "{none:?}");
}

#[test]
fn the_last_fifty_are_kept() {
    let line = experiment();
    assert_eq!(line.say("run -q").code, 0);
    let made = folders(&line)[0].clone();
    for number in 0..60_u64 {
        // As of long ago.
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, number, 0));
        let copy = made.with_file_name(id.to_string());
        let copied = Command::new("cp").arg("-r").args([&made, &copy]).status();
        assert!(copied.unwrap().success());
    }
    assert_eq!(line.say("gc --dry-run").code, 0);
    assert_eq!(folders(&line).len(), 61);
    assert_eq!(line.say("gc").code, 0);
    let left = folders(&line);
    assert_eq!((left.len(), &left[0]), (50, &made));
    assert_eq!(line.say("check").code, 0);
}

#[test]
fn orders_stay_as_long_as_tasks_may_wait_for_them() {
    let line = experiment();
    assert_eq!(line.say("run -q").code, 0);
    let made = folders(&line)[0].clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let run_of = |ago: u64, number: u64| {
        let id = Uuid::new_v7(Timestamp::from_unix(
            NoContext,
            now.as_secs() - ago + number,
            0,
        ));
        let copy = made.with_file_name(id.to_string());
        let copied = Command::new("cp").arg("-r").args([&made, &copy]).status();
        assert!(copied.unwrap().success());
        copy
    };
    let day = 24 * 60 * 60;
    let killed = |ago: u64| {
        let run = run_of(ago, 0);
        fs::write(run.join("events.jsonl"), "").unwrap();
        fs::create_dir(run.join("orders")).unwrap();
        run
    };
    let (recent, abandoned, ended) = (killed(15 * day), killed(16 * day), run_of(13 * day, 1));
    // The last time when a task wrote something there.
    for (run, ago) in [(&recent, "13 days ago"), (&abandoned, "15 days ago")] {
        let mut touch = Command::new("find");
        let touch = touch
            .arg(run)
            .args(["-exec", "touch", "-d", ago, "{}", "+"]);
        assert!(touch.status().unwrap().success());
    }
    for number in 0..60 {
        run_of(day, number);
    }
    assert_eq!(line.say("gc").code, 0);
    assert!(recent.exists());
    assert!(!abandoned.exists());
    assert!(!ended.exists());
}
