//! The environment of a running stage: child processes with its fields as environment variables, a scratch folder, a seed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::Error;
use pylightnix::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use tests::runs::{assert_says, names, scratch};
use tests::store::{Running, child, folder, part};

/// A dependency.
#[derive(Config)]
struct Source {
    #[selfref("deep/source.txt")]
    text: SelfRef<Text>,
    number: u32,
}

#[stage]
fn source(b: &Build<Source>) -> Result<SourceOutputs> {
    let text = b.text.save(&b.number.to_string())?;
    Ok(SourceOutputs { text })
}

/// A field of each sort.
#[derive(Config)]
struct Fields {
    #[selfref("a/b.txt")]
    promise: SelfRef<Text>,
    #[dref]
    one: DRef<Source>,
    #[dref]
    several: Vec<DRef<Source>>,
    #[dref]
    by_name: BTreeMap<String, DRef<Source>>,
    #[dref]
    artifact: RefPath<Text>,
    #[dref]
    artifacts: Vec<RefPath<Text>>,
    #[dref]
    nothing: Option<DRef<Source>>,
    text: String,
    number: f64,
    list: Vec<String>,
    absent: Option<u32>,
    #[config(rename = "other key")]
    renamed: bool,
    #[config(default = 3, omit_default)]
    omitted: u32,
    #[config(default = 4, unhashed)]
    unhashed: u32,
}

#[stage]
fn fields(b: &Build<Fields>) -> Result<FieldsOutputs> {
    // Without a shell: shells pass on only variables with valid shell names.
    b.run(
        b.command("cp")
            .arg("/proc/self/environ")
            .arg(b.promise.path()),
    )?;
    let promise = b.promise.written()?;
    Ok(FieldsOutputs { promise })
}

/// A stage whose realizers are given by the tests.
#[derive(Config)]
struct Work {
    title: String,
}

#[stage(nouts = 1)]
fn work(_: &Build<Work>) -> Result<()> {
    Ok(())
}

fn doing<F>(f: F) -> DRef<Work>
where
    F: Fn(&Build<Work>) -> Result<()> + Send + Sync + 'static,
{
    let work = instantiate(Work::new("a title".to_owned())).unwrap();
    work.with_realizer("doing", f)
}

fn shell(script: &'static str) -> DRef<Work> {
    doing(move |b| Ok(b.run(b.command("sh").args(["-c", script]))?))
}

#[track_caller]
fn failure(store: &Store, work: &DRef<Work>) -> Error {
    match store.realize(work) {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

fn log_of(rref: &RRef<Work>) -> Vec<u8> {
    let folder = rref.path().parent().unwrap();
    let log = names(folder)
        .into_iter()
        .find(|name| name.ends_with(".log"));
    fs::read(folder.join(log.expect("a log"))).unwrap()
}

fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // An orphan that no process reaps stays a zombie.
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn children_have_the_fields_in_their_environment() {
    let (_folder, store) = scratch();
    let sources: Vec<_> = (0..3)
        .map(|n| instantiate(Source::new(n)).unwrap())
        .collect();
    let config = Fields::new(
        sources[0].clone(),
        sources[..2].to_vec(),
        [("x".to_owned(), sources[2].clone())].into(),
        sources[1].text.clone(),
        vec![sources[1].text.clone(), sources[2].text.clone()],
        None,
        "a 'text'\nof \"two\" lines".to_owned(),
        1e-5,
        vec!["a b".to_owned(), "c\"".to_owned()],
        None,
        true,
    );
    let rref = store.realize(&instantiate(config).unwrap()).unwrap();
    let env = rref.promise.load().unwrap();
    let env: BTreeMap<_, _> = env
        .split_terminator('\0')
        .filter_map(|variable| variable.split_once('='))
        .collect();
    let path = |n: usize| {
        store
            .realize(&sources[n])
            .unwrap()
            .path()
            .display()
            .to_string()
    };
    let text = |n: usize| format!("{}/deep/source.txt", path(n));
    assert!(env["promise"].ends_with("/out/a/b.txt"));
    assert_eq!(env["one"], path(0));
    assert_eq!(env["several"], format!("{}\n{}", path(0), path(1)));
    assert_eq!(env["by_name"], format!("x={}", path(2)));
    assert_eq!(env["artifact"], text(1));
    assert_eq!(env["artifacts"], format!("{}\n{}", text(1), text(2)));
    assert!(!env.contains_key("nothing") && !env.contains_key("absent"));
    assert_eq!(env["text"], "a 'text'\nof \"two\" lines");
    assert_eq!(env["number"], "1e-05");
    assert_eq!(env["list"], r#"["a b","c\""]"#);
    assert_eq!(env["other key"], "true");
    assert_eq!((env["omitted"], env["unhashed"]), ("3", "4"));
    assert!(env["promise"].starts_with(env["PYLIGHTNIX_OUT"]));
    assert!(env["PYLIGHTNIX_SCRATCH"].ends_with("/scratch"));
    assert_eq!(env["PYLIGHTNIX_DREF"], rref.id().dref().to_string());
    assert_eq!(
        (env["PYLIGHTNIX_INDEX"], env["PYLIGHTNIX_THREADS"]),
        ("0", "1")
    );
    assert!(env["PYLIGHTNIX_SEED"].parse::<u64>().is_ok());
    // The child inherits variables of this program.
    assert_eq!(env["PATH"], std::env::var("PATH").unwrap());
}

#[test]
fn a_field_too_long_for_a_variable_is_named_and_never_left_out() {
    let (_folder, store) = scratch();
    let work = || instantiate(Work::new("x".repeat(200 << 10))).unwrap();
    let error = failure(
        &store,
        &work().with_realizer("by variable", |b| {
            b.run(b.command("sh").args(["-c", "echo \"$title\" > $out"]))
        }),
    );
    assert_says(
        &error,
        &[
            "too long for an environment variable: `title`",
            "field_file",
        ],
    );
    // However the command is started, the program does not start without the value.
    let by_itself = work().with_realizer("by itself", |b| {
        let started = b.command("true").status();
        assert_eq!(
            started.unwrap_err().kind(),
            std::io::ErrorKind::ArgumentListTooLong
        );
        Ok::<_, Error>(())
    });
    store.realize(&by_itself).unwrap();
}

#[test]
fn a_field_of_any_size_is_read_from_files() {
    let (_folder, store) = scratch();
    let title = "x".repeat(200 << 10);
    let expected = title.clone();
    let work = instantiate(Work::new(title)).unwrap();
    let work = work.with_realizer("by file", move |b| {
        let mut command = b.command("sh");
        command
            .env_remove("title")
            .env("file", b.field_file("title")?);
        b.run(command.args(["-c", "cp \"$file\" \"$PYLIGHTNIX_SCRATCH/copy\""]))?;
        let copy = fs::read_to_string(b.scratch()?.join("copy")).unwrap();
        assert_eq!(copy, format!("{expected}\n"));
        let fields = fs::read(b.fields_file()?).unwrap();
        let fields: serde_json::Value = serde_json::from_slice(&fields).unwrap();
        assert_eq!(fields["title"], expected.as_str());
        let error = b.field_file("titel").unwrap_err();
        assert!(error.to_string().contains("no field `titel`"), "{error}");
        Ok::<_, Error>(())
    });
    store.realize(&work).unwrap();
}

#[test]
fn a_child_prints_to_the_log_at_once() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        use std::io::Write as _;
        writeln!(b.log(), "before")?;
        // The child finds its own output in the log, so the output is not buffered in this process.
        let script = "echo out; echo err >&2; grep -c . ../log";
        b.run(b.command("sh").args(["-c", script]).current_dir(b.path()))?;
        writeln!(b.log(), "after")?;
        b.run(b.command("printf").arg("no newline"))?;
        Ok(())
    });
    let rref = store.realize(&work).unwrap();
    let log = String::from_utf8(log_of(&rref)).unwrap();
    assert_eq!(log, "before\nout\nerr\n3\nafter\nno newline");
}

#[test]
fn a_child_may_print_megabytes_that_are_no_text() {
    let (_folder, store) = scratch();
    let script =
        "head -c 5000000 /dev/zero | tr '\\0' '\\377'; printf 'broken: \\377\\033[1m here\\r\\n'";
    let rref = store.realize(&shell(script)).unwrap();
    assert_eq!(log_of(&rref).len(), 5_000_000 + 20);

    let (_folder, store) = scratch();
    let script = "head -c 5000000 /dev/zero | tr '\\0' '\\377'; printf '\\nbroken: \\377\\033[1m here\\r\\n'; exit 9";
    let error = failure(&store, &shell(script));
    assert_says(
        &error,
        &["exit status 9", "\n    broken: \u{fffd}\u{fffd}[1m here"],
    );
    assert!(format!("{error:?}").len() < 3000);
}

#[test]
fn a_failure_repeats_the_last_lines() {
    let (_folder, store) = scratch();
    let work = shell("echo first; seq 1 100; echo 'at last' >&2; exit 3");
    let error = failure(&store, &work);
    assert_says(
        &error,
        &[
            "stage `work` failed in run 0",
            "caused by: `sh -c \"echo first; seq 1 100; echo 'at last' >&2; exit 3\"` ended with exit status 3",
            "its last lines were",
            "\n    82\n",
            "\n    100\n    at last\n",
        ],
    );
    let report = format!("{error:?}");
    assert!(
        !report.contains("\n    81\n") && !report.contains("\n    first\n"),
        "{report}"
    );

    // The error does not repeat output of earlier children.
    let work = doing(|b| {
        b.run(b.command("echo").arg("of the first"))?;
        Ok(b.run(&mut b.command("false"))?)
    });
    let error = failure(&store, &work);
    assert_says(
        &error,
        &["`false` ended with exit status 1", "it printed nothing"],
    );
    assert!(!format!("{error:?}").contains("of the first\n"));
}

#[test]
fn a_child_that_is_killed_or_cannot_be_started() {
    let (folder, store) = scratch();
    let killed = failure(&store, &shell("echo so far; kill -9 $$"));
    assert_says(
        &killed,
        &["was ended by signal 9 (SIGKILL)", "so far", "out of memory"],
    );
    let crashed = failure(&store, &shell("kill -s SEGV $$"));
    assert_says(&crashed, &["was ended by signal 11 (SIGSEGV)"]);

    let missing = doing(|b| Ok(b.run(b.command("no-such-program").arg("a b"))?));
    let error = failure(&store, &missing);
    assert_says(
        &error,
        &[
            "cannot start `no-such-program \"a b\"`",
            "No such file",
            "PATH",
        ],
    );

    let nowhere = doing(|b| Ok(b.run(b.command("true").current_dir("/no/such/folder"))?));
    assert_says(
        &failure(&store, &nowhere),
        &["its working directory does not exist: /no/such/folder"],
    );

    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let plain = script.clone();
    let plain = doing(move |b| Ok(b.run(&mut b.command(&plain))?));
    assert_says(&failure(&store, &plain), &["cannot start", "chmod +x"]);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&script, "#!/no/interpreter\n").unwrap();
    let broken = doing(move |b| Ok(b.run(&mut b.command(&script))?));
    assert_says(
        &failure(&store, &broken),
        &["interpreter in its first line"],
    );

    let zero = doing(|b| Ok(b.run(b.command("echo").arg("a\0b"))?));
    assert_says(&failure(&store, &zero), &["zero byte"]);
}

#[test]
fn a_child_has_no_input_unless_it_is_given() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        b.run(&mut b.command("cat"))?;
        let input = b.scratch()?.join("input");
        fs::write(&input, "given")?;
        Ok(b.run(b.command("cat").stdin(fs::File::open(input)?))?)
    });
    assert_eq!(log_of(&store.realize(&work).unwrap()), b"given");
}

#[test]
fn what_a_child_leaves_running_is_ended() {
    let (_folder, store) = scratch();
    let script = "sleep 1000 & echo $! > $PYLIGHTNIX_OUT/pid; sh -c 'sleep 1001 & echo $!' > $PYLIGHTNIX_OUT/pid2";
    let rref = store.realize(&shell(script)).unwrap();
    for pid in ["pid", "pid2"] {
        let pid = fs::read_to_string(rref.path().join(pid)).unwrap();
        wait_until(|| !is_running(&pid));
    }
}

#[test]
fn several_children_at_once() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        thread::scope(|scope| {
            let run = |n: u32| move || b.run(b.command("sh").args(["-c", &format!("exit {n}")]));
            let threads: Vec<_> = [0, 5, 0, 0].map(|n| scope.spawn(run(n))).into();
            let failed = threads.into_iter().map(|thread| thread.join().unwrap());
            assert_eq!(failed.filter(Result::is_err).count(), 1);
        });
        Ok(())
    });
    store.realize(&work).unwrap();
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((_, place)) = part() else {
        return;
    };
    let store = Store::open(place.join("store")).unwrap();
    let work = doing(move |b| {
        let script = "trap '' TERM; echo $$ > $place/pid.new; mv $place/pid.new $place/pid; while :; do sleep 1; done";
        Ok(b.run(b.command("sh").args(["-c", script]).env("place", &place))?)
    });
    let _ = store.realize(&work);
}

#[test]
fn children_do_not_outlive_a_program_that_is_killed() {
    let place = folder();
    let mut program = Running::start(child("run", place.path()));
    let pid = place.path().join("pid");
    wait_until(|| pid.exists());
    let pid = fs::read_to_string(pid).unwrap();
    assert!(is_running(&pid));
    program.kill();
    wait_until(|| !is_running(&pid));
}

#[test]
fn scratch_is_gone_afterwards_and_kept_with_a_failure() {
    let (_folder, store) = scratch();
    let place = Arc::new(Mutex::new(PathBuf::new()));
    let writing = |fail: bool| {
        let place = place.clone();
        doing(move |b| {
            let scratch = b.scratch()?;
            assert_eq!(scratch, b.scratch()?);
            assert!(!scratch.starts_with(b.path()));
            fs::write(scratch.join("some.txt"), "some")?;
            // A folder without write permission is removed too.
            fs::create_dir(scratch.join("closed"))?;
            fs::write(scratch.join("closed/file"), "")?;
            fs::set_permissions(scratch.join("closed"), fs::Permissions::from_mode(0o555))?;
            *place.lock().unwrap() = scratch.to_owned();
            match fail {
                true => Err("it fails".into()),
                false => Ok(()),
            }
        })
    };
    let rref = store.realize(&writing(false)).unwrap();
    assert!(!place.lock().unwrap().exists());
    assert!(!names(rref.path().parent().unwrap()).contains(&"scratch".to_owned()));
    let again = Realize::new(&store)
        .force_all()
        .run(&writing(false))
        .unwrap();
    assert_eq!(again, rref);
    let tmp = store.root().join("tmp");
    assert!(names(&tmp).iter().all(|of| names(&tmp.join(of)).is_empty()));

    let _ = Realize::new(&store).force_all().run(&writing(true));
    let failed = store.root().join("failed");
    let kept = failed.join(&names(&failed)[0]).join("scratch/some.txt");
    assert_eq!(fs::read_to_string(kept).unwrap(), "some");
}

#[test]
fn the_start_is_that_of_the_build_record() {
    let (_folder, store) = scratch();
    let told = Arc::new(Mutex::new(None));
    let tell = told.clone();
    let work = doing(move |b| {
        *tell.lock().unwrap() = Some(b.start());
        Ok(())
    });
    let rref = store.realize(&work).unwrap();
    let record = &rref.builds()[0];
    assert_eq!(Some(record.start), *told.lock().unwrap());
    assert!(record.start <= record.stop);
}

#[test]
fn seeds_are_the_same_everywhere() {
    let (_folder, store) = scratch();
    let seeds: Arc<Mutex<Vec<_>>> = Arc::default();
    let tell = seeds.clone();
    let work = doing(move |b| {
        let mut seeds = tell.lock().unwrap();
        seeds.push((b.index(), b.seed(), b.seed_bytes()));
        fs::write(b.path().join("index"), b.index().to_string())?;
        Ok(())
    });
    let two = work.clone().latest_n(2);
    store.realize(&two).unwrap();
    let seeds = seeds.lock().unwrap();
    let of = |index| seeds.iter().find(|seed| seed.0 == index).unwrap();
    // printf 'pylightnix-seed-v1\n%s\n0\n' dref:.. | sha256sum
    assert_eq!(
        work.id().to_string(),
        "dref:534430bef688945f35ccda5ca6f61b72-work"
    );
    assert_eq!(of(0).1, 11558553705837783626);
    assert_eq!(of(0).2[..8], of(0).1.to_le_bytes());
    assert_eq!(of(1).1, 17104141557737846647);
}

/// `current_dir` is a folder whose files are named by relative paths.
#[test]
fn a_command_is_an_ordinary_one() {
    let (_folder, store) = scratch();
    let work = doing(|b| {
        let mut command = Command::new("pwd");
        command.current_dir(b.scratch()?);
        b.run(&mut command)?;
        // A command can be run a second time.
        Ok(b.run(&mut command)?)
    });
    let log = String::from_utf8(log_of(&store.realize(&work).unwrap())).unwrap();
    let lines: Vec<_> = log.lines().map(Path::new).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("scratch") && lines[0] == lines[1]);
}
