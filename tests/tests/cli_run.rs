//! The command line of a program with a plan.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};
use tests::line::Line;
use tests::terminal::Terminal;

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
        lost.err.contains("`--count` is before `plan`"),
        "{}",
        lost.err
    );
    let help = line.out("run --help");
    assert!(help.contains("The number of numbers"), "{help}");
    assert!(help.contains("Realize the targets"), "{help}");
    assert!(!line.out("list --help").contains("--count"));
}

#[test]
fn a_program_configures_its_runs() {
    let line = Line::empty(env!("CARGO_BIN_EXE_watched"));
    let planned = line.out("plan greets");
    assert!(
        planned.contains("missing") && !planned.contains("argument"),
        "{planned}"
    );
    assert_eq!(line.say("run greets -q").code, 0);
    assert_eq!(line.out("cat greets"), "good morning\n");
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
        unknown.err.contains("the plan has no stage `nothing`"),
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
    // A stage that is not a target, forced by its name.
    let forced = line.say("run mean --force numbers");
    assert!(
        forced.err.contains("gave results that existed already"),
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
    assert_eq!(
        forced[1]["reason"],
        "decided when numbers is known; carried if `numbers` comes out as before"
    );
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
        fs::read_to_string(line.folder.path().join("result-2/mean.json")).unwrap(),
        "2.0\n"
    );
    // Two links, and the roots of the run for its two targets.
    assert_eq!(line.json("roots").as_array().unwrap().len(), 4);
}

/// Returns the files of the roots with their contents.
fn roots(line: &Line) -> BTreeMap<PathBuf, String> {
    let names = fs::read_dir(line.store.root().join("roots")).expect("the roots");
    let paths = names.map(|name| name.expect("a root").path());
    paths
        .map(|path| (path.clone(), fs::read_to_string(path).expect("a root")))
        .collect()
}

#[test]
fn a_run_keeps_what_its_targets_are() {
    let line = line();
    assert_eq!(line.say("run -q").code, 0);
    let kept = roots(&line);
    assert_eq!(kept.len(), 1);
    let said = line.say("gc");
    assert_eq!(
        (said.code, &*said.out),
        (0, "removed 0 of 2 realizations: 0 B\n")
    );
    // A root that exists already is not rewritten.
    let (path, text) = kept.first_key_value().unwrap();
    let inode = || fs::metadata(path).unwrap().ino();
    let before = inode();
    assert_eq!(line.say("run -q -o result").code, 0);
    assert_eq!(inode(), before);
    fs::remove_file(line.folder.path().join("result")).unwrap();
    // Neither other arguments, nor other users, nor a failing run replace it.
    assert_eq!(line.say("run --count 3 -q").code, 0);
    let other = line.command("run -q").env("USER", "somebody-else").status();
    assert!(other.unwrap().success());
    assert_eq!(line.say("run mean broken --keep-going -q").code, 1);
    assert_eq!(line.say("gc").code, 0);
    let now = roots(&line);
    assert_eq!((now.len(), now.get(path)), (3, Some(text)));
    // The previous root of the same target and user is removed.
    let name = path.file_name().unwrap().to_str().unwrap();
    let old = path.with_file_name(format!("{}{}", &name[..name.len() - 16], "0".repeat(16)));
    fs::write(&old, text).unwrap();
    assert_eq!(line.say("run -q").code, 0);
    assert_eq!(roots(&line), now);
}

#[test]
fn what_cannot_be_a_link_is_refused_before_anything_runs() {
    let line = line();
    fs::create_dir(line.folder.path().join("src")).unwrap();
    fs::write(line.folder.path().join("second-2"), "mine").unwrap();
    for words in [
        "run -o src",
        "run numbers mean -o second",
        "run -o nowhere/result",
    ] {
        let said = line.say(words);
        assert_eq!(said.code, 1, "{words}");
        assert!(!said.err.contains("build"), "{words}: {}", said.err);
    }
    let said = line.say("run -o src");
    assert!(
        said.err
            .contains("src exists and is not a link of this store"),
        "{}",
        said.err
    );
    assert_eq!(line.say("list").out, "");
    assert_eq!(line.say("run -q -o free").code, 0);
}

#[test]
fn what_runs_keep_is_listed_and_ended() {
    let line = line();
    for words in [
        "run -q",
        "run numbers --count 3 -q",
        "run mean --count 3 -q",
    ] {
        assert_eq!(line.say(words).code, 0);
    }
    let listed = |words: &str| {
        let said = line.command(words).env("COLUMNS", "200").output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let mean = "a run of experiment mean by ";
    let all = listed("roots");
    assert_eq!(all.matches(mean).count(), 2, "{all}");
    assert_eq!(
        all.matches("a run of experiment numbers by ").count(),
        1,
        "{all}"
    );
    assert_eq!(all.matches("  no   ").count(), 2, "{all}");
    let these = listed("roots --count 3 --target mean");
    assert_eq!(
        (
            these.matches(mean).count(),
            these.matches("  no   ").count()
        ),
        (2, 1),
        "{these}"
    );
    let listed = line.json("roots");
    assert_eq!(listed[0]["run"]["program"], "experiment");
    assert!(listed[0]["since"].is_string() && listed[0]["planned"].is_boolean());
    // Old roots of derivations that are not in the plan any more are removed by `gc --older-than`.
    let long_ago = SystemTime::now() - Duration::from_secs(86_400 * 40);
    for path in roots(&line).keys() {
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(line.out("roots --older-than 41d --json"), "[]\n");
    assert_eq!(line.say("gc --older-than 41d").code, 0);
    assert_eq!(roots(&line).len(), 3);
    let said = line.say("gc --older-than 39d");
    assert_eq!(
        said.out.matches("which is no longer in its plan").count(),
        2,
        "{}",
        said.out
    );
    assert_eq!(roots(&line).len(), 1);
    // Manual removal.
    assert_eq!(line.say("roots --remove").code, 2);
    let refused = line.say("rm mean@1 --with-dependents");
    assert!(
        refused.err.contains(mean) || refused.code == 0,
        "{}",
        refused.err
    );
    assert_eq!(line.say("roots --remove --target numbers").code, 0);
    assert_eq!(roots(&line).len(), 1);
    let ended = line.say("roots --remove --program experiment --target mean --older-than 1d");
    assert!(ended.err.contains(" no longer keeps "), "{}", ended.err);
    assert!(roots(&line).is_empty());
    // No root is left.
    let refused = line.say("gc");
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("no root keeps anything"),
        "{}",
        refused.err
    );
    assert!(line.say("gc --dry-run").code == 0 && line.say("cat mean").code == 0);
    assert_eq!(line.say("gc --without-roots").code, 0);
    assert_eq!(line.out("list"), "");
}

#[test]
fn on_a_terminal_gc_asks() {
    let line = line();
    assert_eq!(line.say("run -q").code, 0);
    assert_eq!(line.say("run --count 3 -q").code, 0);
    assert_eq!(line.say("roots --remove --target mean").code, 0);
    assert_eq!(line.say("run -q").code, 0);
    let answer = |words: &[&str], keys: Option<&str>| {
        let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_experiment"));
        program.args(words);
        program.env("PYLIGHTNIX_ROOT", line.store.root());
        program.env("TERM", "xterm");
        let mut terminal = Terminal::start(program, 100, 30);
        if let Some(keys) = keys {
            terminal.wait_for("remove this? [y/N]");
            terminal.type_keys(keys);
        }
        terminal.end()
    };
    let (code, screen) = answer(&["gc"], Some("n\r"));
    assert!(
        code == 1 && screen.contains("nothing was removed"),
        "{screen}"
    );
    let all = line.out("list").lines().count();
    let (code, screen) = answer(&["gc"], Some("y\r"));
    assert!(
        code == 0 && screen.contains("removed 2 of 4 realizations"),
        "{screen}"
    );
    assert_eq!(line.out("list").lines().count(), all - 2);
    // There is no question if nothing would be removed, or if `--yes` is given.
    assert_eq!(answer(&["gc"], None).0, 0);
    assert_eq!(line.say("run --count 4 -q").code, 0);
    assert_eq!(line.say("roots --remove --target mean").code, 0);
    assert_eq!(line.say("run -q").code, 0);
    assert_eq!(answer(&["gc", "--yes"], None).0, 0);
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
    // With `-k`, independent stages are built.
    assert_eq!(line.say("run broken mean -k").code, 1);
    assert_eq!(line.out("cat mean"), "2.0\n");
    assert!(line.out("log broken --list").contains("failed"));
}

#[test]
fn what_a_run_may_use_and_how_long() {
    let line = line();
    let limits = "--jobs 1 --threads 1 --memory 1GiB --resource gpu=1";
    assert_eq!(line.say(&format!("run mean -q {limits}")).code, 0);
    assert_eq!(
        line.say("run mean -q --resource gpu=0,1 --resource tty=a,")
            .code,
        0
    );
    let twice = line.say("run mean -q --resource gpu=0,0");
    assert_eq!(twice.code, 1);
    assert!(
        twice.err.contains("has the unit `0` twice"),
        "{}",
        twice.err
    );
    let empty = line.say("run mean -q --resource gpu=0,,1");
    assert!(empty.err.contains("has an empty name"), "{}", empty.err);
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
    assert!(plan.contains("the code that made it is unknown"), "{plan}");
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
        "--resource gpu=a",
        "--resource =0,1",
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
