//! Runs that leave their terminal, and those whose process is gone: they go on, each stage is built once, and what failed meanwhile is
//! told.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use portable_pty::CommandBuilder;
use pylightnix::store::{RunFolder, RunStanding};
use rustix::process::{Pid, Signal, getsid, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::away::{
    catches_interrupts, has_ended, kill_driver, newest, ran, start, tasks, until, wait_for_queue,
};
use tests::kills::kill_drivers;
use tests::line::Line;
use tests::slurm::{Cluster, cluster};
use tests::terminal::Terminal;

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_spread"))
}

/// Returns the session of a program that finds the cluster.
fn line_on(cluster: &Cluster) -> Line {
    line().with("SLURM_CONF", cluster.conf())
}

/// Lets leaves wait, until the guard is dropped.
struct Hold<'a>(&'a Line);

impl<'a> Hold<'a> {
    fn new(line: &'a Line) -> Self {
        fs::write(line.folder.path().join("hold"), "").unwrap();
        Hold(line)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.folder.path().join("hold"));
    }
}

fn events(run: &RunFolder, name: &str) -> Vec<Value> {
    let mut events = run.events().unwrap();
    events.retain(|event| event["event"] == name);
    events
}

#[test]
fn a_run_that_leaves_the_terminal_goes_on() {
    let line = line();
    let hold = Hold::new(&line);
    let left = line.json("run --detach --leaves 3");
    let run = newest(&line);
    assert_eq!(left["run"], run.id().to_string());
    until("nothing runs", || !ran(&line).is_empty());
    assert_eq!(run.standing().unwrap(), RunStanding::Running);
    let process = run.record().unwrap().process.cast_signed();
    let process = Pid::from_raw(process).unwrap();
    assert_eq!(getsid(Some(process)).unwrap(), process);
    // Ctrl-C in `attach` leaves.
    let attached = start(&line, "attach");
    until("Ctrl-C would kill it", || catches_interrupts(&attached));
    kill_process(Pid::from_child(&attached), Signal::INT).unwrap();
    assert!(attached.wait_with_output().unwrap().status.success());
    assert_eq!(run.standing().unwrap(), RunStanding::Running);
    drop(hold);
    let said = line.say("attach -1");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("built    sum in"), "{}", said.err);
    assert!(
        said.err.contains("the run has ended: 4 of 4 stages built"),
        "{}",
        said.err
    );
    assert_eq!(line.out("cat sum sum.json").trim(), "3");
    assert_eq!(ran(&line), [0, 1, 2]);
    let output = fs::read_to_string(run.output()).unwrap();
    assert!(output.contains("rref:"), "{output}");
    // Its process is told apart from those that its stages start.
    assert_eq!(events(&run, "driven").len(), 1);
}

#[test]
fn attach_goes_on_with_a_run_whose_process_was_killed() {
    for on in ["threads", "processes"] {
        let line = line();
        let hold = Hold::new(&line);
        let said = line.say(&format!("run --detach --leaves 2 --on {on}"));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains(" attach "), "{said:?}");
        let run = newest(&line);
        until("nothing runs", || ran(&line).len() == 2);
        kill_driver(&run);
        drop(hold);
        let said = line.say("attach");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.err.contains("another one goes on with it"),
            "{}",
            said.err
        );
        assert_eq!(line.out("cat sum sum.json").trim(), "1");
        assert_eq!(line.store.runs().unwrap().len(), 1);
        assert_eq!(events(&run, "driven").len(), 2);
        let ended = line.say("attach");
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains("no run that has not ended"), "{ended:?}");
    }
}

#[test]
fn a_run_is_cancelled_from_elsewhere() {
    let line = line();
    let hold = Hold::new(&line);
    assert_eq!(line.say("run --detach --leaves 2 --grace 200ms").code, 0);
    let run = newest(&line);
    until("nothing runs", || ran(&line).len() == 2);
    let cancelling = start(&line, "attach --cancel");
    // Held until then, so that the run cannot come to its own end before.
    until("it is not cancelled", || run.is_asked_to_cancel());
    drop(hold);
    let other = cancelling.wait_with_output().unwrap();
    assert!(has_ended(&run), "{other:?}");
}

#[test]
fn a_run_whose_plan_cannot_be_made_says_so() {
    let line = line();
    assert_eq!(line.say("run nothing --detach").code, 0);
    let attached = line.say("attach -1");
    assert_eq!(attached.code, 1);
    let why = "the run failed: the plan has no stage `nothing`";
    assert!(attached.err.contains(why), "{attached:?}");
    let output = fs::read_to_string(newest(&line).output()).unwrap();
    assert!(
        output.contains("the plan has no stage `nothing`"),
        "{output}"
    );
}

#[test]
fn a_run_on_slurm_whose_process_is_killed_builds_each_stage_once() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let hold = Hold::new(&line);
    assert_eq!(line.say("run --detach --on slurm --leaves 4").code, 0);
    let run = newest(&line);
    until("nothing runs", || ran(&line).len() == 4);
    kill_driver(&run);
    assert_eq!(cluster.jobs("running").len(), 4);
    let attached = start(&line, "attach");
    until("nobody goes on", || {
        run.standing().unwrap() == RunStanding::Running
    });
    sleep(Duration::from_secs(1));
    assert_eq!(cluster.jobs("pending,running").len(), 4, "they are adopted");
    drop(hold);
    assert!(attached.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line), [0, 1, 2, 3]);
    assert_eq!(line.out("cat sum sum.json").trim(), "6");
    wait_for_queue(&cluster);
}

#[test]
fn the_process_of_a_run_can_be_a_job() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let left = line.json("run --detach=job --on slurm --leaves 3");
    assert!(left["job"].as_str().is_some(), "{left}");
    let said = line.say("attach -1");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(line.out("cat sum sum.json").trim(), "3");
    assert_eq!(ran(&line), [0, 1, 2]);
    wait_for_queue(&cluster);
}

/// Starts a run of two leaves in a terminal, presses Ctrl-C while both run, and returns it with the question that this asks.
fn asked(line: &Line, cluster: &Cluster) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_spread"));
    command.args(["run", "--on", "slurm", "--leaves", "2"]);
    command.cwd(line.folder.path());
    command.env("PYLIGHTNIX_ROOT", line.store.root());
    command.env("SLURM_CONF", cluster.conf());
    command.env("TERM", "xterm");
    let mut terminal = Terminal::start(command, 100, 20);
    terminal.wait_until("counts of tasks", |screen| {
        screen.contains("2 running on n")
    });
    until("nothing runs", || ran(line).len() == 2);
    terminal.type_keys("\x03");
    terminal.wait_for("leave the run going, or cancel it?");
    terminal
}

#[test]
fn ctrl_c_in_a_run_on_slurm_asks() {
    let Some(cluster) = cluster() else { return };
    for answer in ["l", "Leave"] {
        let line = line_on(&cluster);
        let hold = Hold::new(&line);
        let mut terminal = asked(&line, &cluster);
        // What is no answer is asked again.
        terminal.type_keys("what?\r");
        terminal.wait_until("a second question", |screen| {
            screen.matches("leave the run going").count() == 2
        });
        let run = newest(&line);
        terminal.type_keys(&format!("{answer}\r"));
        terminal.wait_for(" attach ");
        assert_eq!(terminal.end().0, 0);
        until("nobody goes on", || {
            run.standing().unwrap() == RunStanding::Running
        });
        drop(hold);
        until("it does not end", || has_ended(&run));
        assert_eq!(ran(&line), [0, 1]);
        assert_eq!(line.out("cat sum sum.json").trim(), "1");
        wait_for_queue(&cluster);
    }
}

#[test]
fn the_answer_to_cancel_ends_the_jobs() {
    let Some(cluster) = cluster() else { return };
    for answer in ["c", "cancel"] {
        let line = line_on(&cluster);
        // The leaves would wait for ever.
        let _hold = Hold::new(&line);
        let mut terminal = asked(&line, &cluster);
        terminal.type_keys(&format!("{answer}\r"));
        assert_eq!(terminal.end().0, 130);
        wait_for_queue(&cluster);
        assert!(has_ended(&newest(&line)));
        assert_eq!(ran(&line), [0, 1]);
        assert_eq!(line.store.rrefs().unwrap().len(), 0);
        assert_eq!(line.store.failed_builds().unwrap().len(), 0);
        assert!(tasks(&line).is_empty());
    }
}

#[test]
fn a_second_ctrl_c_ends_the_process_and_no_job() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let hold = Hold::new(&line);
    let mut terminal = asked(&line, &cluster);
    let run = newest(&line);
    terminal.type_keys("\x03");
    assert_eq!(terminal.end().0, 130);
    assert_eq!(run.standing().unwrap(), RunStanding::Killed);
    assert_eq!(cluster.jobs("running").len(), 2);
    drop(hold);
    assert_eq!(line.say("attach").code, 0);
    assert_eq!(ran(&line), [0, 1]);
    assert_eq!(line.out("cat sum sum.json").trim(), "1");
    wait_for_queue(&cluster);
}

/// Lets a leaf fail while no run watches, and returns the numbers of the leaves that ran.
fn fail_unwatched(line: &Line, cluster: &Cluster) -> Vec<u64> {
    let hold = Hold::new(line);
    let mut run = start(line, "run --on slurm --leaves 2 --aborts 1 --retries 1 -q");
    until("nothing runs", || ran(line).len() == 2);
    run.kill().unwrap();
    run.wait().unwrap();
    drop(hold);
    wait_for_queue(cluster);
    assert_eq!(line.store.failed_builds().unwrap().len(), 1);
    ran(line)
}

#[test]
fn what_failed_while_no_run_watched_is_told_and_not_tried_again() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    assert_eq!(fail_unwatched(&line, &cluster), [0, 1, 1]);
    let failed = &line.store.failed_builds().unwrap()[0];
    let record = failed.record().unwrap().unwrap();
    assert_eq!((record.index, record.attempts), (0, 2));
    assert_eq!(record.order.unwrap().run, newest(&line).id());
    let said = line.say("run --on slurm --leaves 2 --aborts 1 --retries 1 -q");
    assert_eq!(said.code, 1);
    for told in [
        "stage `leaf number=1` failed in run 0",
        "SIGABRT",
        "it was tried 2 times",
        "it failed while no run watched",
    ] {
        assert!(said.err.contains(told), "{told}: {}", said.err);
    }
    assert_eq!(ran(&line), [0, 1, 1]);
    // It was told, so the next run tries it.
    let said = line.say("run --on slurm --leaves 2 --aborts 1 --retries 1 -q");
    assert_eq!(said.code, 1);
    assert!(!said.err.contains("while no run watched"), "{}", said.err);
    assert_eq!(ran(&line), [0, 1, 1, 1, 1]);
}

#[test]
fn attempts_while_no_run_watched_count() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    assert_eq!(fail_unwatched(&line, &cluster), [0, 1, 1]);
    let said = line.say("run --on slurm --leaves 2 --aborts 1 --retries 2 -q");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("SIGABRT"), "{}", said.err);
    assert_eq!(ran(&line), [0, 1, 1, 1]);
}

#[test]
fn tasks_say_what_runs_where_and_what_waits() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    assert_eq!(line.json("tasks").as_array().unwrap().len(), 0);
    let hold = Hold::new(&line);
    let run = start(&line, "run --on slurm --leaves 2 -q");
    until("nothing runs", || ran(&line).len() == 2);
    let listed = line.json("tasks");
    let tasks = listed.as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    let mut labels = Vec::new();
    for task in tasks {
        assert_eq!(task["state"], "running");
        assert!(task["host"].as_str().unwrap().starts_with('n'), "{task}");
        assert_eq!(task["run"], newest(&line).id().to_string());
        let build = &task["builds"][0];
        assert_eq!(
            (&build["name"], &build["state"]),
            (&"leaf".into(), &"running".into())
        );
        labels.push(build["label"].as_str().unwrap().to_owned());
    }
    labels.sort_unstable();
    assert_eq!(labels, ["number=0", "number=1"]);
    let shown = line.out("tasks");
    assert!(shown.contains("leaf number=1  running  n"), "{shown}");
    drop(hold);
    assert!(run.wait_with_output().unwrap().status.success());
}

#[test]
fn what_is_cancelled_takes_no_other_stage_with_it() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    // From now on it is known how long leaves take, and they share tasks.
    assert_eq!(line.say("run --on slurm --leaves 4 -q").code, 0);
    let hold = Hold::new(&line);
    let run = start(&line, "run --on slurm --leaves 60 --keep-going -q");
    // How many tasks there are depends on how long the first four took.
    until("nothing runs", || ran(&line).len() > 4);
    let unknown = line.say("cancel nothing");
    assert!(
        unknown.err.contains("no task builds `nothing`"),
        "{unknown:?}"
    );
    // One that runs, and one that waits in the same task.
    let tasks = line.json("tasks");
    let of_state = |state: &str| {
        let builds = tasks[0]["builds"].as_array().unwrap();
        let mut builds = builds.iter().filter(|build| build["state"] == state);
        builds.next().unwrap()["dref"].as_str().unwrap().to_owned()
    };
    let (running, waiting) = (of_state("running"), of_state("waiting"));
    let cancelled = line.json(&format!("cancel {running} {waiting}"));
    let cancelled = cancelled.as_array().unwrap();
    assert_eq!(cancelled.len(), 2, "{cancelled:?} {tasks}");
    assert!(cancelled.iter().all(|row| row["ended_job"] == false));
    drop(hold);
    let ended = run.wait_with_output().unwrap();
    assert_ne!(ended.status.code(), Some(0));
    let mut there = line.store.rrefs().unwrap();
    there.retain(|rref| rref.name().as_str() == "leaf");
    assert!((58..60).contains(&there.len()), "{}", there.len());
    wait_for_queue(&cluster);
    let shown = line.out("runs show -1");
    assert!(shown.contains("stopped  leaf"), "{shown}");
    let run = start(&line, "run --on slurm --leaves 60 -q");
    assert!(run.wait_with_output().unwrap().status.success());
}

#[test]
fn all_tasks_are_cancelled_at_once() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let _hold = Hold::new(&line);
    let mut run = line.command("run --on slurm --leaves 4 --keep-going -q");
    let run = run.stdout(Stdio::null()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    until("nothing runs", || ran(&line).len() == 4);
    let said = line.out("cancel");
    assert!(said.contains("cancelled 4 builds"), "{said}");
    // The run takes none of them for lost: it would have them built again, and they would wait for ever.
    let of_run = newest(&line);
    until("the run goes on", || has_ended(&of_run));
    let ended = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("was cancelled"), "{said}");
    assert_eq!(ran(&line), [0, 1, 2, 3]);
    wait_for_queue(&cluster);
    let failed = line.store.failed_builds().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn the_log_of_a_stage_on_another_machine_is_followed() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let hold = Hold::new(&line);
    let run = start(&line, "run --on slurm --leaves 1 -q");
    until("nothing runs", || ran(&line).len() == 1);
    let mut follow = line
        .command("log --follow leaf")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut followed = BufReader::new(follow.stdout.take().unwrap());
    let mut said = String::new();
    followed.read_line(&mut said).unwrap();
    drop(hold);
    followed.read_to_string(&mut said).unwrap();
    assert_eq!(said, "leaf 0\n");
    assert!(follow.wait().unwrap().success());
    assert!(run.wait_with_output().unwrap().status.success());
}

#[test]
fn what_orders_name_is_kept_until_the_run_has_ended() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    assert_eq!(line.say("run --on slurm --leaves 2 -q").code, 0);
    line.store.gc().run().unwrap();
    assert_eq!(line.store.rrefs().unwrap().len(), 3, "the root keeps them");
    let roots: Vec<String> = line
        .store
        .roots()
        .unwrap()
        .into_iter()
        .map(|root| root.name)
        .collect();
    let gc = || line.store.gc().remove_roots(roots.clone()).plan().unwrap();
    assert_eq!(gc().realizations.len(), 3);
    // A run is killed while the task of its sum waits.
    let mut hold = Command::new("scontrol");
    let hold = hold.args(["update", "partition=main", "state=DOWN"]);
    assert!(
        hold.env("SLURM_CONF", cluster.conf())
            .status()
            .unwrap()
            .success()
    );
    let mut run = start(&line, "run --on slurm --leaves 2 --force sum -q");
    until("nothing waits", || !cluster.jobs("pending").is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(gc().realizations.len(), 0);
    assert_eq!(gc().abandoned.len(), 0);
    // Nothing was heard of it for long.
    let killed = newest(&line);
    let mut touch = Command::new("find");
    let touch = touch
        .arg(killed.path())
        .args(["-exec", "touch", "-d", "15 days ago", "{}", "+"]);
    assert!(touch.status().unwrap().success());
    assert_eq!(gc().abandoned, [killed.path().to_owned()]);
    assert_eq!(gc().realizations.len(), 3);
    let shown = line.out("gc --dry-run");
    assert!(shown.contains("abandoned run"), "{shown}");
    let mut resume = Command::new("scontrol");
    let resume = resume.args(["update", "partition=main", "state=UP"]);
    assert!(
        resume
            .env("SLURM_CONF", cluster.conf())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(line.say("cancel").code, 0);
    wait_for_queue(&cluster);
}

/// The campaign `slurm-kills` has more of them.
#[test]
fn a_run_whose_process_dies_again_and_again_builds_each_stage_once() {
    let Some(cluster) = cluster() else { return };
    let moment = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Duration::from_micros(u64::from(now.subsec_micros()) % 1_500_000)
    };
    let killed = kill_drivers(&line_on(&cluster), &cluster, 3, moment);
    assert!(killed > 0);
}

#[test]
fn a_node_whose_daemon_dies_with_its_jobs_alive_harms_nothing() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    let hold = Hold::new(&line);
    let run = start(&line, "run --on slurm --leaves 2 -q");
    until("nothing runs", || ran(&line).len() == 2);
    let listed = line.json("tasks");
    let node = listed[0]["host"].as_str().unwrap().to_owned();
    let daemon = Pid::from_raw(cluster.process(&node)).unwrap();
    kill_process(daemon, Signal::KILL).unwrap();
    // Slurm starts its jobs again elsewhere, beside those that still run.
    until("the node is not given up", || {
        let states = cluster.ask("sinfo -h -N -o %N=%T");
        states.contains(&format!("{node}=down"))
    });
    drop(hold);
    let ended = run.wait_with_output().unwrap();
    cluster.start_node(&node);
    assert!(ended.status.success());
    assert_eq!(ran(&line), [0, 1]);
    assert_eq!(line.out("cat sum sum.json").trim(), "1");
    wait_for_queue(&cluster);
    until("the node is not back", || cluster.is_whole());
    assert!(tasks(&line).is_empty());
}

#[test]
fn what_a_slow_task_has_not_begun_is_given_to_others() {
    let Some(cluster) = cluster() else { return };
    let line = line_on(&cluster);
    // From now on it is known how long leaves take, and they share tasks.
    assert_eq!(line.say("run --on slurm --leaves 4 -q").code, 0);
    let hold = Hold::new(&line);
    let run = start(&line, "run --on slurm --leaves 40 -q");
    until("nothing runs", || ran(&line).len() > 4);
    let orders = || {
        let run = newest(&line);
        fs::read_dir(run.path().join("orders")).unwrap().count()
    };
    let before = orders();
    until("nothing is taken back", || orders() > before);
    drop(hold);
    assert!(run.wait_with_output().unwrap().status.success());
    assert_eq!(ran(&line).len(), 4 + 36);
    assert_eq!(line.store.rrefs().unwrap().len(), 42);
    wait_for_queue(&cluster);
}
