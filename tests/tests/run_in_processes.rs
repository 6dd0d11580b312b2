//! Stages that run in processes of their own: what dies takes nothing with it, and nothing of the plan is lost on the way.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::RRefId;
use pylightnix::prelude::*;
use pylightnix::realize::Processes;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::dying::WAYS;
use tests::line::Line;

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_isolated"))
}

/// Returns the processes that run this program in the session's store.
fn workers(line: &Line) -> Vec<u32> {
    let root = line.store.root().to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of = |path: &Path| -> Option<u32> {
        let command = fs::read(path.join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let variables = fs::read(path.join("environ")).ok()?;
        let variables = String::from_utf8_lossy(&variables).into_owned();
        let is_worker = variables.contains("PYLIGHTNIX_WORKER=");
        (is_worker && (command + &variables).contains(&root))
            .then(|| path.file_name()?.to_str()?.parse().ok())?
    };
    processes
        .filter_map(|process| of(&process.path()))
        .collect()
}

#[test]
fn what_dies_takes_nothing_with_it() {
    let line = line();
    let said = line.say("run all --on processes --keep-going --jobs 2 --progress lines");
    assert_eq!(said.code, 1, "{said:?}");
    for (how, why) in WAYS {
        if how == "memory" {
            continue;
        }
        let failed = format!("stage `dies how={how}` failed in run 0: {why}");
        assert!(said.err.contains(&failed), "{failed}\n{}", said.err);
    }
    assert!(
        said.err.contains("7 of 8 stages failed") || said.err.contains("7 stages failed"),
        "{}",
        said.err
    );
    // Each failed build has its log and its series, the one that lived as well.
    let failed = line.store.failed_builds().unwrap();
    assert_eq!(failed.len(), 7);
    for build in &failed {
        let log = fs::read_to_string(build.log()).unwrap();
        assert!(log.contains("this is "), "{log:?}");
        assert!(log.contains("and its child"), "{log:?}");
        assert!(build.folder.join("series.jsonl").exists());
    }
    assert_eq!(line.say("log dies --list").code, 0);
    let made = line.store.rrefs().unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(line.store.series(&made[0]).unwrap()[0].last, 0.5);
    assert_eq!(line.say("log dies@1").out, "this is lives\nand its child\n");
    assert_eq!(line.say("check").code, 0);
    assert!(workers(&line).is_empty());
}

#[test]
fn nothing_of_the_plan_is_lost_on_the_way() {
    let line = line();
    assert_eq!(line.say("run told --on processes -q").code, 0);
    assert_eq!(line.out("cat told told.txt"), "n 0, verbosity 7, volume 11");
    let show = line.json("show told");
    let build = &show["builds"][0];
    assert_eq!(build["reads"], line_reads(&line));
    // A run on threads finds all of it.
    let again = line.json("run told -q");
    assert_eq!(
        (&again["report"]["built"], &again["report"]["reused"]),
        (&0.into(), &2.into())
    );
}

/// What a run on threads says that the stage looked at.
fn line_reads(_: &Line) -> Value {
    let line = line();
    assert_eq!(line.say("run told -q").code, 0);
    line.json("show told")["builds"][0]["reads"].clone()
}

#[test]
fn a_stage_that_does_not_look_is_ended_when_its_time_is_up() {
    let line = line();
    let begun = Instant::now();
    let said = line.say("run deaf --on processes --timeout 300ms --grace 200ms -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("its time limit is 300 ms"),
        "{}",
        said.err
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(workers(&line).is_empty());
}

#[test]
fn a_run_that_is_killed_takes_its_workers_along() {
    let line = line();
    let mut run = line
        .command("run deaf --on processes -q")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while line.store.running().unwrap().is_empty() || workers(&line).is_empty() {
        assert!(Instant::now() < until, "nothing runs");
        sleep(Duration::from_millis(20));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    while !workers(&line).is_empty() {
        assert!(Instant::now() < until, "a worker goes on");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_plan_that_differs_ends_the_run() {
    let line = line();
    let begun = Instant::now();
    let said = line.say("run changing --on processes --retries 1000 --keep-going -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("the plan differs in the process of stage `dies`: the stage is not in it"),
        "{}",
        said.err
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
}

#[test]
fn questions_are_answered_in_workers() {
    let line = Line::empty(env!("CARGO_BIN_EXE_asking"));
    fs::write(line.folder.path().join("count.txt"), "3").unwrap();
    let made = line.json("run --on processes -q");
    assert_eq!(made["report"]["built"], 5);
    assert_eq!(made["results"].as_array().unwrap().len(), 3);
    for result in made["results"].as_array().unwrap() {
        let rref = result["rref"].as_str().unwrap().parse::<RRefId>().unwrap();
        let text = fs::read_to_string(line.store.out_dir(rref).join("part.txt"));
        let number = result["label"].as_str().unwrap().replace("number=", "");
        assert_eq!(text.unwrap(), format!("{number} of 3"));
    }
}

#[test]
fn what_c_libraries_print_is_in_the_log_of_their_stage() {
    let line = line();
    // Both stages run in one process.
    assert_eq!(line.say("run prints --on processes --jobs 1 -q").code, 0);
    let mut logs: Vec<_> = (line.store.rrefs().unwrap().iter())
        .map(|rref| {
            let realization = line.store.realization(rref).unwrap();
            let log = line.store.log_of(rref, &realization.builds()[0]);
            fs::read_to_string(log.unwrap()).unwrap()
        })
        .collect();
    logs.sort();
    assert_eq!(logs, ["first", "second"]);
    // Of a stage that dies, all whole lines.
    let died = line
        .command("run")
        .args(["prints and dies", "--on", "processes", "-q"])
        .output();
    assert_eq!(died.unwrap().status.code(), Some(1));
    let failed = line.store.failed_builds().unwrap();
    assert_eq!(fs::read_to_string(failed[0].log()).unwrap(), "a line\n");
}

#[test]
fn what_a_stage_leaves_behind_ends_with_it() {
    let line = line();
    let begun = Instant::now();
    // A time that no other process sleeps for.
    let seconds = format!("600.{}", std::process::id());
    let mut run = line.command("run leaves --on processes --jobs 1 --keep-going -q");
    let said = line.said(run.env("SECONDS_LEFT", &seconds).output().unwrap());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("killed by SIGABRT"), "{}", said.err);
    assert_eq!(line.store.rrefs().unwrap().len(), 2);
    let sleeps = |process: &fs::DirEntry| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&seconds)
    };
    // A process that was killed takes a moment to end.
    let left = || {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(sleeps)
            .count()
    };
    while left() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "a process is left"
        );
        sleep(Duration::from_millis(20));
    }
}

/// A stage.
#[derive(Config)]
struct Quiet {}

#[stage]
fn quiet(_: &Build<Quiet>) -> Result<()> {
    Ok(())
}

#[test]
fn a_program_that_does_not_answer_is_told() {
    let (_folder, store) = tests::runs::scratch();
    let run = Realize::new(&store).on(Processes::new());
    let refused = run.run(&instantiate(Quiet::new()).unwrap()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("it has not called `pylightnix::worker`"),
        "{refused}"
    );
    assert!(store.rrefs().unwrap().is_empty());
}
