//! Runs on a real Slurm: nothing of the plan is lost on the way, each stage is built once, and faults of programs, nodes and jobs are
//! what they are. Left out where Slurm cannot be started.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::RRefId;
use pylightnix::prelude::*;
use pylightnix::realize::Slurm;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{ErrorKind, copy, repeat};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tests::away::{ran, tasks, until};
use tests::line::Line;
use tests::slurm::{Cluster, cluster};
use tests::store::{Mount, folder};

/// Returns the session of a program that finds the cluster.
fn line(program: &'static str, cluster: &Cluster) -> Line {
    Line::empty(program).with("SLURM_CONF", cluster.conf())
}

/// Starts a run that goes on in the background.
fn start(line: &Line, arguments: &str) -> Child {
    let mut command = line.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Returns the number of orders of all runs.
fn orders(line: &Line) -> usize {
    let pattern = line.store.root().join(".runs");
    let mut orders = 0;
    for run in fs::read_dir(pattern).unwrap().flatten() {
        for batch in fs::read_dir(run.path().join("orders"))
            .into_iter()
            .flatten()
        {
            let files = fs::read_dir(batch.unwrap().path()).unwrap().flatten();
            let names = files.map(|file| file.file_name().into_string().unwrap());
            let numbers = names.filter(|name| {
                let stem = name.strip_suffix(".json");
                stem.is_some_and(|stem| stem.parse::<u32>().is_ok())
            });
            orders += numbers.count();
        }
    }
    orders
}

/// Returns the process that started another one.
fn parent(process: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(1).unwrap().parse().unwrap()
}

fn sum_of(line: &Line) -> u64 {
    line.out("cat sum sum.json").trim().parse().unwrap()
}

#[test]
fn short_stages_share_tasks_and_each_is_built_once() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let made = line.json("run --on slurm --leaves 100 -q");
    assert_eq!(made["report"]["built"], 101);
    assert_eq!(sum_of(&line), 4950);
    assert_eq!(ran(&line), (0..100).collect::<Vec<_>>());
    let tasks = orders(&line);
    assert!(tasks <= 16, "{tasks} tasks");
    // A run on threads finds all of it, with what the program of the run says of itself.
    let again = line.json("run -q --leaves 100");
    assert_eq!(again["report"]["built"], 0);
    let show = line.json("show leaf");
    let build = &show["builds"][0];
    let command: Vec<String> = serde_json::from_value(build["command"].clone()).unwrap();
    assert_eq!(command[0], "[PROGRAM]");
    assert!(line.out("log leaf").starts_with("leaf "));
    assert_eq!(line.say("check").code, 0);
    // With nothing to do, nothing is asked.
    let runs = fs::read_dir(line.store.root().join(".runs"))
        .unwrap()
        .count();
    let nothing = line
        .command("run --on slurm --leaves 100 -q")
        .env("SLURM_CONF", "/nowhere")
        .output();
    assert!(nothing.unwrap().status.success());
    assert_eq!(
        fs::read_dir(line.store.root().join(".runs"))
            .unwrap()
            .count(),
        runs
    );
}

#[test]
fn what_dies_is_a_failure_of_its_stage_alone() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_isolated"), &cluster);
    let said = line.say("run all --on slurm --keep-going --progress lines");
    assert_eq!(said.code, 1, "{said:?}");
    for (how, why) in [
        ("abort", "its process was killed by SIGABRT (signal 6)"),
        ("exit", "its process ended with exit status 0"),
        ("kill", "its process was killed by SIGKILL (signal 9)"),
        ("panic", "it panicked: on purpose"),
        ("error", "No such file or directory"),
    ] {
        let failed = format!("stage `dies how={how}` failed in run 0: {why}");
        assert!(said.err.contains(&failed), "{failed}\n{}", said.err);
    }
    let failed = line.store.failed_builds().unwrap();
    assert_eq!(failed.len(), 7);
    for build in &failed {
        let log = fs::read_to_string(build.log()).unwrap();
        assert!(log.contains("this is "), "{log:?}");
    }
    assert_eq!(line.store.rrefs().unwrap().len(), 1);
    assert_eq!(line.say("check").code, 0);
}

#[test]
fn nothing_of_the_plan_is_lost_on_the_way() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_isolated"), &cluster);
    assert_eq!(line.say("run told --on slurm -q").code, 0);
    assert_eq!(line.out("cat told told.txt"), "n 0, verbosity 7, volume 11");
    let again = line.json("run told -q");
    assert_eq!(
        (&again["report"]["built"], &again["report"]["reused"]),
        (&0.into(), &2.into())
    );
    let told = line.store.realization(line.newest("told")).unwrap();
    let choices: Vec<_> = told.builds()[0].choices.values().collect();
    assert_eq!((choices.len(), choices[0].from), (1, 3));
    // Slurm limits memory by itself, and the most that was held is kept.
    assert!(told.builds()[0].peak_memory.is_some());
}

#[test]
fn a_plan_that_differs_ends_the_run() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_isolated"), &cluster);
    let said = line.say("run changing --on slurm --retries 1000 --keep-going -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("the plan differs in the process of stage `dies`: the stage is not in it"),
        "{}",
        said.err
    );
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
    assert_eq!(orders(&line), 1);
}

#[test]
fn questions_are_answered_in_tasks() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_asking"), &cluster);
    fs::write(line.folder.path().join("count.txt"), "3").unwrap();
    let made = line.json("run --on slurm -q");
    assert_eq!(made["report"]["built"], 5);
    for result in made["results"].as_array().unwrap() {
        let rref = result["rref"].as_str().unwrap().parse::<RRefId>().unwrap();
        let text = fs::read_to_string(line.store.out_dir(rref).join("part.txt"));
        let number = result["label"].as_str().unwrap().replace("number=", "");
        assert_eq!(text.unwrap(), format!("{number} of 3"));
    }
}

#[test]
fn what_a_remote_has_is_no_task() {
    let Some(cluster) = cluster() else { return };
    let ada = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    assert_eq!(ada.say("run --leaves 2 -q").code, 0);
    let shared = ada.folder.path().join("shared");
    let shared = shared.display();
    assert_eq!(ada.say(&format!("push --all --remote {shared}")).code, 0);
    let ben = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let made = ben.json(&format!("run --on slurm --leaves 3 -q --remote {shared}"));
    assert_eq!(
        (&made["report"]["fetched"], &made["report"]["built"]),
        (&2.into(), &2.into())
    );
    assert_eq!(ran(&ben), [2]);
    assert_eq!(sum_of(&ben), 3);
}

#[test]
fn a_stage_that_does_not_look_is_ended_when_its_time_is_up() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_isolated"), &cluster);
    let said = line.say("run deaf --on slurm --timeout 300ms --grace 200ms -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("its time limit is 300 ms"),
        "{}",
        said.err
    );
}

#[test]
fn after_a_failure_no_further_stage_begins() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    // The others end after the run knows of the failure, however slowly a task begins.
    let hold = line.folder.path().join("hold-others");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --on slurm --leaves 300 --aborts 2 -q");
    until("no leaf fails", || {
        let newest = line.store.run_named("-1");
        newest.is_ok_and(|run| !run.events_of("failed").unwrap().is_empty())
    });
    // The leaf that fails is one of the four that go first, as nothing is known of their time.
    let sent = orders(&line);
    assert!(sent < 300, "{sent} tasks");
    fs::remove_file(hold).unwrap();
    let ended = run.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(orders(&line), sent);
    assert!(ran(&line).len() <= sent, "{:?}", ran(&line));
    let failed = line.store.failed_builds().unwrap();
    let why = failed[0].record().unwrap().unwrap().error;
    assert!(why.contains("SIGABRT"), "{why}");
    until("a task goes on", || {
        cluster.jobs("pending,running").is_empty()
    });
}

#[test]
fn a_run_that_is_cancelled_takes_its_tasks_along() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    fs::write(line.folder.path().join("hold"), "").unwrap();
    let mut run = start(&line, "run --on slurm --leaves 20 -q");
    until("nothing runs", || cluster.jobs("running").len() >= 4);
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    until("a task goes on", || {
        cluster.jobs("pending,running").is_empty()
    });
    assert_eq!(line.store.rrefs().unwrap().len(), 0);
}

#[test]
fn a_run_that_is_killed_leaves_its_tasks_to_the_next() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let mut run = start(&line, "run --on slurm --leaves 4 -q");
    until("nothing runs", || ran(&line).len() == 4);
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(cluster.jobs("running").len(), 4);
    let again = start(&line, "run --on slurm --leaves 4 -q");
    sleep(Duration::from_secs(2));
    assert_eq!(cluster.jobs("pending,running").len(), 4, "they are adopted");
    fs::remove_file(hold).unwrap();
    assert!(again.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line), [0, 1, 2, 3]);
    assert_eq!(sum_of(&line), 6);
    // The leaves and their sum.
    assert_eq!(orders(&line), 5);
}

#[test]
fn a_task_that_is_started_again_is_no_failure() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --on slurm --leaves 2 -q");
    until("nothing runs", || ran(&line).len() == 2);
    let jobs = cluster.jobs("running");
    let _ = cluster.ask(&format!("scontrol requeue {}", jobs[0]));
    until("it is not started again", || ran(&line).len() == 3);
    fs::remove_file(hold).unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(sum_of(&line), 1);
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
    assert_eq!(orders(&line), 3);
}

#[test]
fn a_task_that_vanishes_is_submitted_again() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --on slurm --leaves 1 -q");
    until("nothing runs", || ran(&line).len() == 1);
    let job = cluster.jobs("running").remove(0);
    let _ = cluster.ask(&format!("scancel {job}"));
    // It would come to its end before the signal.
    until("the job goes on", || {
        !cluster.jobs("running,completing").contains(&job)
    });
    fs::remove_file(hold).unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line), [0, 0]);
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
}

#[test]
fn a_node_that_dies_loses_nothing() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --on slurm --leaves 1 -q");
    until("nothing runs", || ran(&line).len() == 1);
    let node = cluster.ask("squeue -h -t running -o %N");
    let node = node.trim().to_owned();
    // The daemon, and what it started.
    let daemon = Pid::from_raw(cluster.process(&node)).unwrap();
    kill_process(daemon, Signal::KILL).unwrap();
    let task = tasks(&line)[0];
    let shell = parent(task);
    for process in [parent(shell), shell, task] {
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
    }
    fs::remove_file(hold).unwrap();
    let ended = run.wait_with_output().unwrap();
    cluster.start_node(&node);
    assert!(ended.status.success());
    assert_eq!(sum_of(&line), 0);
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
    until("the node is not back", || cluster.is_whole());
}

#[test]
fn a_controller_that_dies_loses_nothing() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let run = start(&line, "run --on slurm --leaves 2 -q");
    until("nothing runs", || ran(&line).len() == 2);
    // It writes down what it knows after a while.
    sleep(Duration::from_secs(8));
    let controller = Pid::from_raw(cluster.process("slurmctld")).unwrap();
    kill_process(controller, Signal::KILL).unwrap();
    fs::remove_file(hold).unwrap();
    // The leaves are published although the controller does not answer; a job for their sum cannot be submitted yet.
    until("the leaves are not made", || {
        line.store.rrefs().unwrap().len() == 2
    });
    sleep(Duration::from_secs(2));
    cluster.start_controller();
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line), [0, 1]);
    assert_eq!(orders(&line), 3);
    until("a node is not back", || cluster.is_whole());
}

#[test]
fn tasks_are_taken_over_also_if_the_controller_does_not_answer_at_once() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let mut killed = start(&line, "run --on slurm --leaves 2 -q");
    until("nothing runs", || ran(&line).len() == 2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // It writes down what it knows after a while.
    sleep(Duration::from_secs(8));
    let controller = Pid::from_raw(cluster.process("slurmctld")).unwrap();
    kill_process(controller, Signal::KILL).unwrap();
    let run = start(&line, "run --on slurm --leaves 2 -q");
    sleep(Duration::from_secs(2));
    cluster.start_controller();
    sleep(Duration::from_secs(3));
    fs::remove_file(hold).unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line), [0, 1]);
    // The leaves and their sum.
    assert_eq!(orders(&line), 3);
    until("a node is not back", || cluster.is_whole());
}

#[test]
fn what_slurm_refuses_ends_the_run() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    let said = line.say("run --on slurm:nowhere --leaves 9 --keep-going -q");
    assert_eq!(said.code, 1, "{said:?}");
    for words in ["Slurm does not take the job", "invalid partition"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert_eq!(orders(&line), 4);
}

#[test]
fn sealed_stages_are_sealed_in_tasks() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_sealed"), &cluster);
    let said = line.say("run fine --on slurm -q");
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(line.json("show fine")["builds"][0]["sealed"], true);
    assert_eq!(line.json("show leaf")["builds"][0]["sealed"], false);
    // What the command line says holds in tasks.
    let said = line.say("run leaf --on slurm --only-sealed -q");
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("it is sealed and may not read /etc/passwd"),
        "{}",
        said.err
    );
    let mut tries = line.command("run tries --on slurm -q");
    let tries = line.said(
        tries
            .env("HOW", "read")
            .env("AT", "/etc/hostname")
            .output()
            .unwrap(),
    );
    assert_eq!(tries.code, 1);
    assert!(
        tries
            .err
            .contains("it is sealed and may not read /etc/hostname"),
        "{}",
        tries.err
    );
}

/// Keeps jobs of the cluster in the queue until it is dropped.
struct Queued<'a>(&'a Cluster);

impl<'a> Queued<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let _ = cluster.ask("scontrol update partition=main state=DOWN");
        Queued(cluster)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let _ = self.0.ask("scontrol update partition=main state=UP");
    }
}

#[test]
fn what_is_not_visible_yet_is_waited_for_and_asked_for_anew() {
    let Some(cluster) = cluster() else { return };
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster);
    assert_eq!(line.say("run --leaves 1 -q").code, 0);
    let queued = Queued::new(&cluster);
    let run = start(&line, "run --on slurm --leaves 1 --force sum -q");
    until("nothing waits", || !cluster.jobs("pending").is_empty());
    let job = cluster.jobs("pending").remove(0);
    // The run has decided, and its task does not see the leaf.
    let leaf = line.store.realization_dir(line.newest("leaf"));
    let unseen = line.folder.path().join("unseen");
    fs::rename(&leaf, &unseen).unwrap();
    drop(queued);
    let of_job = format!("scontrol show job {job}");
    until("it is not started again", || {
        cluster.ask(&of_job).contains("Restarts=1")
    });
    fs::rename(&unseen, &leaf).unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    // It was one task, and no attempt of the stage.
    assert_eq!(orders(&line), 1);
    assert_eq!(line.store.failed_builds().unwrap().len(), 0);
    let sum = line.store.realization(line.newest("sum")).unwrap();
    let attempts: Vec<_> = sum.builds().iter().map(|build| build.attempts).collect();
    assert_eq!(attempts, [1, 1]);
    assert_eq!(line.say("check").code, 0);
}

#[test]
fn a_full_disk_is_a_failure_that_is_told_and_another_run_mends() {
    let Some(cluster) = cluster() else { return };
    let on_disk = folder();
    let disk = Mount::new(on_disk.path(), "size=512m");
    let root = disk.at.join("store");
    let line = line(env!("CARGO_BIN_EXE_spread"), &cluster).with("PYLIGHTNIX_ROOT", root.clone());
    let hold = line.folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let mut run = line.command("run --on slurm --leaves 2 --keep-going -q");
    let run = run.stdout(Stdio::null()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    until("nothing runs", || ran(&line).len() == 2);
    let ballast = disk.at.join("ballast");
    let filled = copy(&mut repeat(0), &mut File::create(&ballast).unwrap());
    assert_eq!(filled.unwrap_err().kind(), ErrorKind::StorageFull);
    fs::remove_file(&hold).unwrap();
    let ended = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    until("a task goes on", || {
        cluster.jobs("pending,running").is_empty()
    });
    fs::remove_file(&ballast).unwrap();
    let store = Store::open(&root).unwrap();
    assert_eq!(line.say("check").code, 0);
    assert_eq!(line.say("run --on slurm --leaves 2 -q").code, 0);
    assert_eq!(sum_of(&line), 1);
    assert_eq!(store.rrefs().unwrap().len(), 3);
    assert_eq!(line.say("check").code, 0);
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
    let run = Realize::new(&store).on(Slurm::new());
    let refused = run.run(&instantiate(Quiet::new()).unwrap()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("it has not called `pylightnix::worker`"),
        "{refused}"
    );
}
