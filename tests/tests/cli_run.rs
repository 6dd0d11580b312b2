//! The user's door: a program with a plan of its own.

use std::io::Read as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::line::Line;

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_experiment"))
}

#[test]
fn without_a_command_it_runs_the_first_target() {
    let line = line();
    let first = line.say("");
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first
            .err
            .ends_with("2 of 2 stages built in 2 runs, 0 reused\n"),
        "{}",
        first.err
    );
    let (rref, path) = first.out.trim_end().split_once('\n').unwrap();
    assert!(rref.ends_with("-mean"), "{rref}");
    assert!(path.ends_with("/out"), "{path}");
    let again = line.say("run --quiet");
    assert_eq!((again.out, again.err.as_str()), (first.out, ""));
    assert_eq!(line.out("cat mean"), "2.0\n");
}

#[test]
fn own_arguments_stand_beside_ours() {
    let line = line();
    assert_eq!(line.say("--count 3 -j 2").code, 0);
    assert_eq!(line.out("cat mean"), "1.0\n");
    assert_eq!(line.say("run mean --count 9 -q").code, 0);
    assert_eq!(line.out("cat mean"), "4.0\n");
    let lost = line.say("--count 3 plan");
    assert_eq!(lost.code, 2);
    assert!(
        lost.err.contains("`--count` stands before `plan`"),
        "{}",
        lost.err
    );
    let help = line.out("run --help");
    assert!(help.contains("How many numbers there are"), "{help}");
    assert!(help.contains("Realize the targets"), "{help}");
    assert!(!line.out("list --help").contains("--count"));
}

#[test]
fn targets_and_stages() {
    let line = line();
    let both = line.say("run numbers mean --json -q");
    let both: serde_json::Value = serde_json::from_str(&both.out).unwrap();
    assert_eq!(both["results"].as_array().unwrap().len(), 2);
    assert_eq!(both["report"]["built"], 2);
    let unknown = line.say("run nothing");
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("no stage of the plan is `nothing`"),
        "{}",
        unknown.err
    );
    assert!(
        unknown
            .err
            .contains("the targets are: mean, numbers, broken, endless"),
        "{}",
        unknown.err
    );
    // A stage that is no target of its own, forced by its name.
    let forced = line.say("run mean --force numbers");
    assert!(
        forced.err.contains("gave what was there already"),
        "{}",
        forced.err
    );
    assert_eq!(line.say("run mean --force nothing").code, 2);
}

#[test]
fn plans_say_why() {
    let line = line();
    let plan = line.json("plan");
    assert_eq!(plan[0]["action"], "build");
    assert_eq!(plan[0]["reason"], "missing");
    assert_eq!(line.out("list"), "");
    assert_eq!(plan[0]["why"], "missing");
    assert_eq!(line.say("-q").code, 0);
    assert_eq!(line.out("plan"), "nothing to build: 2 stages reused\n");
    let other = line.json("plan --count 6");
    assert_eq!(other[0]["why"], "config changed: count 5 -> 6");
    assert_eq!(other[1]["why"], "from `numbers`: count 5 -> 6");
    let text = line.out("plan --count 6");
    assert!(text.contains("from `numbers`: count 5 -> 6\n"), "{text}");
    assert_eq!(
        line.json("plan")[1]["rrefs"][0],
        line.newest("mean").to_string()
    );
    let forced = line.out("plan --force mean");
    assert!(forced.contains("forced"), "{forced}");
    let forced = line.json("plan --force numbers");
    assert_eq!(forced[1]["reason"], "decided when numbers is known");
    assert_eq!(forced[1]["why"], "from `numbers`: forced");
    let run = line.say("run --count 6 --progress lines");
    let wanted = "build   mean: from `numbers`: count 5 -> 6\n";
    assert!(run.err.contains(wanted), "{}", run.err);
    let run = line.say("run --count 7 --progress json").err;
    let wanted = r#""why":"config changed: count 6 -> 7""#;
    assert!(run.contains(wanted), "{run}");
}

#[test]
fn results_are_linked() {
    let line = line();
    assert_eq!(line.say("run numbers mean --link result -q").code, 0);
    assert_eq!(
        std::fs::read_to_string(line.folder.path().join("result-2/mean.json")).unwrap(),
        "2.0\n"
    );
    assert_eq!(line.json("roots").as_array().unwrap().len(), 2);
}

#[test]
fn failures_end_with_one() {
    let line = line();
    let failed = line.say("run broken");
    assert_eq!(failed.code, 1);
    assert!(
        failed.err.contains("it never works with 5 numbers"),
        "{}",
        failed.err
    );
    // `-k` makes what does not depend on it.
    assert_eq!(line.say("run broken mean -k").code, 1);
    assert_eq!(line.out("cat mean"), "2.0\n");
    assert!(line.out("log broken --list").contains("failed"));
}

#[test]
fn what_a_run_may_use_and_how_long() {
    let line = line();
    let limits = "--jobs 1 --threads 1 --memory 1GiB --resource gpu=1";
    assert_eq!(line.say(&format!("run mean -q {limits}")).code, 0);
    let late = line.say("run endless --timeout 100ms --grace 60s");
    assert_eq!(late.code, 1);
    let said = "its time limit of 100 ms is up";
    assert!(late.err.contains(said), "{}", late.err);
    assert!(late.err.contains("`--timeout`"), "{}", late.err);
    let tried = line.say("run broken --retries 1");
    assert_eq!(tried.code, 1);
    assert!(tried.err.contains("it was tried 2 times"), "{}", tried.err);
}

#[test]
fn results_of_unknown_code_are_accepted_or_trusted() {
    let built = line();
    assert_eq!(built.say("run mean -q").code, 0);
    let archive = built.folder.path().join("mean.zip");
    let archive = archive.display();
    let packed = built.say(&format!("pack {archive} mean --without-builds"));
    assert_eq!(packed.code, 0);
    let elsewhere = || {
        let line = line();
        assert_eq!(line.say(&format!("unpack {archive}")).code, 0);
        line
    };
    let reused = "nothing to build: all 2 stages reused\n";
    for option in ["--trust-unknown", "--accept-all"] {
        let run = elsewhere().say(&format!("run {option}"));
        assert_eq!(run.code, 0);
        assert!(run.err.ends_with(reused), "{option}: {}", run.err);
    }
    let line = elsewhere();
    let plan = line.out("plan");
    assert!(plan.contains("nothing says which code made it"), "{plan}");
    let early = line.say("run --accept mean");
    assert_eq!(early.code, 1);
    assert!(early.err.contains("has to be built first"), "{}", early.err);
    assert_eq!(line.say("run numbers --accept numbers -q").code, 0);
    let rest = line.say("run --accept mean");
    assert!(rest.err.ends_with(reused), "{}", rest.err);
}

#[test]
fn wrong_options_end_with_two() {
    let line = line();
    for wrong in [
        "--timeout soon",
        "--memory much",
        "--resource gpu",
        "--nope",
        "nope",
    ] {
        assert_eq!(line.say(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn signals_cancel_and_logs_are_followed() {
    let line = line();
    let run = line
        .command("run endless")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut run = run.unwrap();
    let begun = Instant::now();
    while line
        .store
        .running()
        .unwrap()
        .iter()
        .all(|build| !build.log().exists())
    {
        assert!(begun.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(20));
    }
    let mut log = line
        .command("log -f endless")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 9];
    log.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"it begins");
    assert!(line.out("log endless --list").contains("running"));
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert_eq!(log.wait().unwrap().code(), Some(0));
}
