//! Runs: results and events, parallel stages, forced stages, and failures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where, and a stage may panic"
)]

use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::{BoxError, Error, ErrorKind};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use tests::runs::{Told, assert_says, done, names, scratch};
use tests::store::objects;

/// A stage with dependencies.
#[derive(Config)]
struct Work {
    #[selfref("deep/er/text.txt")]
    text: SelfRef<Text>,
    #[dref]
    after: Vec<DRef<Work>>,
    title: String,
}

#[stage]
fn work(b: &Build<Work>) -> Result<WorkOutputs> {
    let mut text = b.title.clone();
    for before in &b.after {
        text += &before.text.load()?;
    }
    let text = b.text.save(&text)?;
    Ok(WorkOutputs { text })
}

/// A stage with several realizations.
#[derive(Config)]
struct Several {
    #[selfref("index.txt")]
    index: SelfRef<Text>,
    title: String,
}

#[stage(many, nouts = 3, matcher = all())]
fn several(b: &Build<Several>) -> Result<SeveralOutputs> {
    let index = b.index.save(&b.index().to_string())?;
    Ok(SeveralOutputs { index })
}

fn of(title: &str, after: &[&DRef<Work>]) -> DRef<Work> {
    let after = after.iter().map(|&work| work.clone()).collect();
    instantiate(Work::new(after, title.to_owned())).unwrap()
}

fn doing<F>(work: &DRef<Work>, f: F) -> DRef<Work>
where
    F: Fn(&Build<Work>) -> Result<()> + Send + Sync + 'static,
{
    work.clone().with_realizer("doing", f)
}

fn failing(title: &str) -> DRef<Work> {
    doing(&of(title, &[]), |b| {
        Err(format!("{} failed", b.title).into())
    })
}

fn titles(store: &Store) -> BTreeSet<String> {
    let all = store.rrefs().unwrap();
    let works = all.iter().filter(|rref| rref.name().as_str() == "work");
    works
        .map(|rref| store.realization_as::<Work>(rref).unwrap().title.clone())
        .collect()
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

/// A barrier for this number of threads, with a timeout.
#[derive(Default)]
struct Meeting {
    here: Mutex<usize>,
    more: Condvar,
}

impl Meeting {
    fn of(&self, count: usize) -> Result<()> {
        let mut here = self.here.lock().unwrap();
        *here += 1;
        self.more.notify_all();
        let patience = Duration::from_secs(30);
        let waited = self
            .more
            .wait_timeout_while(here, patience, |here| *here < count)
            .unwrap();
        if waited.1.timed_out() {
            return Err("nobody else came".into());
        }
        Ok(())
    }
}

/// Counts the threads inside, and their maximum.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Room {
    fn stay(&self) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        thread::sleep(Duration::from_millis(20));
        self.inside.fetch_sub(1, SeqCst);
    }
}

#[test]
fn two_jobs_run_two_stages_at_once() {
    let (_folder, store) = scratch();
    let meeting = Arc::new(Meeting::default());
    let meet = |title: &str| {
        let meeting = meeting.clone();
        doing(&of(title, &[]), move |b| {
            meeting.of(2)?;
            done(b.text.save("met")?)
        })
    };
    Realize::new(&store)
        .jobs(2)
        .run(&[meet("a"), meet("b")])
        .unwrap();
}

#[test]
fn jobs_share_the_runs_of_one_stage() {
    for jobs in [2, 3] {
        let (_folder, store) = scratch();
        let meeting = Arc::new(Meeting::default());
        let several = instantiate(Several::new("met".to_owned())).unwrap();
        let meet = several.with_realizer("meet", move |b| -> Result<()> {
            meeting.of(jobs)?;
            done(b.index.save(&b.index().to_string())?)
        });
        let met = Realize::new(&store).jobs(jobs).run(&meet).unwrap();
        assert_eq!(met.len(), 3);
    }
}

#[test]
fn no_more_run_at_once_than_jobs_allow() {
    for jobs in [0, 1, 2] {
        let (_folder, store) = scratch();
        let room = Arc::new(Room::default());
        let mut stages: Vec<DRef<Work>> = Vec::new();
        let caller = thread::current().id();
        for title in 0..5 {
            let room = room.clone();
            stages.push(doing(&of(&title.to_string(), &[]), move |b| {
                assert!(
                    jobs > 1 || thread::current().id() == caller,
                    "jobs(1) is this thread"
                );
                room.stay();
                done(b.text.save("")?)
            }));
        }
        let alone = room.clone();
        let several = instantiate(Several::new(jobs.to_string())).unwrap();
        let several = several.with_realizer("room", move |b| -> Result<()> {
            alone.stay();
            done(b.index.save(&b.index().to_string())?)
        });
        Realize::new(&store)
            .jobs(jobs)
            .run(&(stages, several))
            .unwrap();
        assert_eq!(room.most.load(SeqCst), jobs.max(1));
    }
}

#[test]
fn observers_are_told_each_thing_once() {
    let (_folder, store) = scratch();
    let first = of("first", &[]);
    let plan = (
        of("last", &[&first]),
        instantiate(Several::new(String::new())).unwrap(),
    );
    let (told, also) = (Told::default(), Told::default());
    let run = Realize::new(&store).jobs(1).observer(&told).observer(&also);
    let (_, report) = run.run_reporting(&plan).unwrap();
    assert_eq!(
        told.lines(),
        [
            "begun 3",
            "building work x1: missing",
            "started work#0",
            "published work#0 new",
            "chosen work 1 built",
            "building work x1: missing",
            "started work#0",
            "published work#0 new",
            "chosen work 1 built",
            "building several x3: missing",
            "started several#0",
            "published several#0 new",
            "started several#1",
            "published several#1 new",
            "started several#2",
            "published several#2 new",
            "chosen several 3 built",
        ]
    );
    assert_eq!(told.lines(), also.lines());
    assert_eq!(
        report.to_string(),
        "3 of 3 stages built in 5 runs, 0 reused"
    );
    told.clear();
    let run = Realize::new(&store).jobs(1).observer(&told);
    let (_, report) = run.run_reporting(&plan).unwrap();
    assert_eq!(
        told.lines(),
        [
            "begun 3",
            "chosen work 1 there",
            "chosen work 1 there",
            "chosen several 3 there"
        ]
    );
    assert_eq!(report.to_string(), "nothing to build: all 3 stages reused");
    assert_eq!(
        (report.stages, report.reused, report.built, report.runs),
        (3, 3, 0, 0)
    );
    // A function is an observer; it receives the choices.
    let seen = Mutex::new(Vec::new());
    let see = |event: &Event<'_>| {
        if let Event::Chosen { rrefs, .. } = event {
            seen.lock()
                .unwrap()
                .extend(rrefs.iter().map(|rref| rref.to_string()));
        }
    };
    let (last, _) = Realize::new(&store).observer(see).run(&plan).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 5);
    assert!(seen.lock().unwrap().contains(&last.to_string()));
}

#[test]
fn observers_that_panic_fail_the_run_and_no_more() {
    for at in [
        "begun",
        "building",
        "started",
        "published",
        "chosen",
        "failed",
    ] {
        let (_folder, store) = scratch();
        let good = of("good", &[]);
        let plan = (good.clone(), failing("bad"));
        let panics = |event: &Event<'_>| {
            let word = format!("{event:?}").to_lowercase();
            assert!(!word.starts_with(at), "not this");
        };
        let run = || {
            Realize::new(&store)
                .observer(panics)
                .keep_going()
                .run(&plan)
                .map(drop)
        };
        if at == "begun" {
            // Nothing has begun: the panic reaches the caller.
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            assert!(caught.is_err() || caught.unwrap().is_err());
        } else {
            run().unwrap_err();
        }
        store.realize(&good).unwrap();
    }
}

#[test]
fn forced_stages_run_again() {
    let (_folder, store) = scratch();
    let first = of("first", &[]);
    let (middle, other) = (of("middle", &[&first]), of("other", &[&first]));
    let last = of("last", &[&middle, &other]);
    let rref = store.realize(&last).unwrap();
    let before = objects(&store);
    let told = Told::default();
    let run = Realize::new(&store).jobs(1).observer(&told).force(&middle);
    let (again, report) = run.run_reporting(&last).unwrap();
    // Equal bytes give the same realization, and its consumers do not run.
    assert_eq!(again, rref);
    assert_eq!(
        (report.built, report.runs, report.repeated, report.reused),
        (1, 1, 1, 3)
    );
    assert_eq!(told.of("building"), ["building work x1: forced"]);
    assert_eq!(told.of("published"), ["published work#1 again"]);
    assert_eq!(
        report.to_string(),
        "1 of 4 stages built in 1 run, 3 reused; 1 run gave results that existed already"
    );
    // It has a second build record, and nothing else is new.
    let opened = store.realization_as::<Work>(&rref).unwrap();
    let middle_builds = opened.after.iter().filter(|work| work.builds().len() == 2);
    assert_eq!(middle_builds.count(), 1);
    let new: Vec<_> = objects(&store)
        .into_keys()
        .filter(|path| !before.contains_key(path))
        .collect();
    assert!(new.len() == 1 && new[0].contains("/build-"), "{new:?}");
    // Forced by the plain reference, and all stages forced.
    let run = Realize::new(&store).force(first.id()).force(&last);
    assert_eq!(run.run_reporting(&last).unwrap().1.built, 2);
    let (_, report) = Realize::new(&store)
        .force_all()
        .run_reporting(&last)
        .unwrap();
    assert_eq!((report.built, report.reused), (4, 0));
}

#[test]
fn what_is_forced_is_in_the_plan() {
    let (_folder, store) = scratch();
    let (plan, other) = (of("plan", &[]), of("other", &[]));
    let error = Realize::new(&store).force(&other).run(&plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    let report = format!("{error:?}");
    assert!(report.contains(&other.id().to_string()), "{report}");
    assert!(
        report.contains("help: force a stage that the target depends on"),
        "{report}"
    );
    assert!(Realize::new(&store).force(&other).plan(&plan).is_err());
    assert!(store.rrefs().unwrap().is_empty());
}

#[test]
fn a_forced_stage_may_give_another_result() {
    let (_folder, store) = scratch();
    let count = Arc::new(AtomicUsize::new(0));
    let counting = doing(&of("counting", &[]), move |b| {
        done(b.text.save(&count.fetch_add(1, SeqCst).to_string())?)
    });
    let last = of("last", &[&counting]);
    assert_eq!(store.realize(&last).unwrap().text.load().unwrap(), "last0");
    let told = Told::default();
    let forced = Realize::new(&store)
        .jobs(1)
        .force(&counting)
        .observer(&told);
    assert_eq!(
        forced.run(&last).unwrap().text.load().unwrap(),
        "last1",
        "the latest"
    );
    assert_eq!(
        told.of("building"),
        [
            "building work x1: forced",
            "building work x1: context changed: it takes another result of a dependency"
        ]
    );
    assert_eq!(store.realize(&last).unwrap().text.load().unwrap(), "last1");
    assert_eq!(
        store.rrefs_of(last.id()).unwrap().len(),
        2,
        "the old result stays"
    );
}

#[test]
fn a_forced_stage_runs_as_often_as_its_matcher_wants() {
    let (_folder, store) = scratch();
    let several = instantiate(Several::new(String::new())).unwrap();
    let five = several.clone().with_matcher(matcher::some(5));
    let told = Told::default();
    let run = Realize::new(&store).force(&five).observer(&told);
    assert_eq!(run.run(&five).unwrap().len(), 5);
    assert_eq!(
        told.of("building"),
        ["building several x6: forced"],
        "whole builds of 3"
    );
    let run = Realize::new(&store).force(&five);
    let (_, report) = run.run_reporting(&five).unwrap();
    assert_eq!(
        (report.runs, report.repeated),
        (3, 0),
        "one build of 3, and indices go on"
    );
    assert_eq!(store.rrefs_of(five.id()).unwrap().len(), 9);
}

#[test]
fn a_failure_stops_the_run() {
    let (_folder, store) = scratch();
    let (good, bad) = (of("good", &[]), failing("bad"));
    let (needs, later) = (of("needs", &[&bad]), of("later", &[]));
    let needs_more = of("needs more", &[&needs, &later]);
    let plan = [good, bad.clone(), needs_more, later];
    let told = Told::default();
    let run = Realize::new(&store).jobs(1).observer(&told);
    let error = error_of(run.run(&plan));
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert_eq!(error.message(), "stage `work title=bad` failed in run 0");
    assert_eq!(
        error.to_string(),
        format!("{}: bad failed", error.message())
    );
    assert!(error.parts().is_empty());
    assert_says(&error, &["caused by: bad failed", &bad.to_string()]);
    assert_says(&error, &["2 stages that need it were not run"]);
    assert_says(
        &error,
        &["1 other stage was not begun; `keep_going()` goes on"],
    );
    assert_eq!(told.of("failed"), ["failed work"]);
    assert_eq!(
        titles(&store),
        BTreeSet::from(["good".to_owned()]),
        "what was there stays"
    );

    // With `keep_going`, all stages that do not depend on it.
    let error = error_of(Realize::new(&store).jobs(1).keep_going().run(&plan));
    assert_says(
        &error,
        &["bad failed", "2 stages that need it were not run"],
    );
    assert!(!format!("{error:?}").contains("not begun"), "{error:?}");
    assert_eq!(
        titles(&store),
        BTreeSet::from(["good".to_owned(), "later".to_owned()])
    );
    // When it succeeds, only the missing stages are built.
    let mended = of("bad", &[]);
    let needs = of("needs", &[&mended]);
    let (_, report) = Realize::new(&store)
        .run_reporting(&of("needs more", &[&needs, &of("later", &[])]))
        .unwrap();
    assert_eq!((report.built, report.reused), (3, 1));
}

#[test]
fn several_failures_are_told_together() {
    let (_folder, store) = scratch();
    let bad: Vec<_> = ["a", "b", "c"].map(failing).into();
    let plan = (
        bad[0].clone(),
        of("x", &[&bad[1]]),
        bad[2].clone(),
        of("good", &[]),
    );
    for jobs in [1, 4] {
        let error = error_of(Realize::new(&store).jobs(jobs).keep_going().run(&plan));
        assert_eq!(error.kind(), ErrorKind::Stage);
        assert_eq!(error.to_string(), "3 stages failed");
        let causes: Vec<_> = error
            .parts()
            .iter()
            .map(|part| part.causes().next().unwrap().to_string())
            .collect();
        assert_eq!(
            causes,
            ["a failed", "b failed", "c failed"],
            "in the plan's order"
        );
        assert_says(
            &error,
            &[
                "- stage `work title=a` failed",
                "1 stage that needs them was not run",
            ],
        );
    }
    assert_eq!(titles(&store), BTreeSet::from(["good".to_owned()]));
}

/// An error with a cause.
#[derive(Debug)]
struct Odd(std::num::ParseIntError);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an odd number")
    }
}

impl std::error::Error for Odd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the folder that the report of a failure names.
fn kept(error: &Error) -> PathBuf {
    let report = format!("{error:?}");
    let (_, after) = report.split_once("its folder is kept: ").unwrap();
    after.lines().next().unwrap().into()
}

#[test]
fn a_failed_stage_leaves_its_folder_and_log() {
    let (_folder, store) = scratch();
    let plan = of("bad", &[]);
    store.realize(&of("before", &[])).unwrap();
    let before = objects(&store);
    let fails = plan.clone().with_realizer("fails", |b| -> Result<(), Odd> {
        fs::write(b.path().join("partial.txt"), "half").unwrap();
        writeln!(b.log(), "step {}", 1).unwrap();
        write!(b.log(), "step 2").unwrap();
        let number: i32 = b.title.parse().map_err(Odd)?;
        assert_eq!(number, 0);
        Ok(())
    });
    let error = error_of(store.realize(&fails));
    assert_eq!(objects(&store), before);
    assert_says(
        &error,
        &["caused by: an odd number", "caused by: invalid digit found"],
    );
    assert!(
        error.causes().any(|cause| cause.is::<Odd>()),
        "the stage's own error"
    );
    let folder = kept(&error);
    assert!(folder.starts_with(store.root().join("failed")));
    assert!(
        folder.ends_with(folder.file_name().unwrap())
            && folder.to_str().unwrap().ends_with("-work")
    );
    assert_eq!(
        fs::read_to_string(folder.join("out/partial.txt")).unwrap(),
        "half"
    );
    let log = folder.join("log");
    assert_says(&error, &[&format!("its log: {}", log.display())]);
    assert_eq!(fs::read_to_string(log).unwrap(), "step 1\nstep 2");
    // Without output, no log is named.
    let quiet = doing(&plan, |_| Err("quietly".into()));
    let error = error_of(store.realize(&quiet));
    assert!(kept(&error).is_dir());
    assert!(!format!("{error:?}").contains("its log"), "{error:?}");
    assert_eq!(names(&store.root().join("failed")).len(), 2);
    assert!(
        names(&store.root().join("locks/b")).is_empty(),
        "no lock is left"
    );
    store.realize(&plan).unwrap();
}

#[test]
fn a_panic_is_a_failure() {
    let (_folder, store) = scratch();
    let good = of("good", &[]);
    let said = |panic: fn()| {
        let plan = doing(&of("bad", &[]), move |b| {
            fs::write(b.path().join("partial.txt"), "half")?;
            panic();
            Ok(())
        });
        let error = error_of(Realize::new(&store).keep_going().run(&(plan, good.clone())));
        assert_eq!(error.kind(), ErrorKind::Stage);
        assert!(kept(&error).join("out/partial.txt").exists());
        error.causes().next().unwrap().to_string()
    };
    let at = |text: &str, line: u32| format!("it panicked: {text} (at {}:{line}:", file!());
    let line = line!();
    let dear = said(|| panic!("dear me"));
    let times = said(|| panic!("{} times", 3));
    let nothing = said(|| std::panic::panic_any(7));
    for (said, text, line) in [
        (dear, "dear me", line + 1),
        (times, "3 times", line + 2),
        (nothing, "without a message", line + 3),
    ] {
        assert!(said.starts_with(&at(text, line)), "{said}");
    }
    // A panic that was resumed from another thread has its own location; one that was caught is not reported.
    let passed_on = said(|| {
        let _ = std::panic::catch_unwind(|| panic!("caught"));
        let there = thread::spawn(|| panic!("there")).join();
        std::panic::resume_unwind(there.unwrap_err());
    });
    assert_eq!(passed_on, "it panicked: there");
    assert_eq!(titles(&store), BTreeSet::from(["good".to_owned()]));
}

#[test]
fn other_runs_of_a_stage_that_fails_stay() {
    let (_folder, store) = scratch();
    let several = instantiate(Several::new(String::new())).unwrap();
    let some_fail = several.clone().with_realizer("fails", |b| -> Result<()> {
        if b.index() == 1 {
            return Err("not this one".into());
        }
        done(b.index.save(&b.index().to_string())?)
    });
    let error = error_of(store.realize(&some_fail));
    assert_eq!(
        error.to_string(),
        "stage `several` failed in run 1: not this one"
    );
    assert_eq!(store.rrefs_of(several.id()).unwrap().len(), 2);
}

/// A stage with two promises.
#[derive(Config)]
struct Promises {
    #[selfref("one.txt")]
    one: SelfRef<Text>,
    #[selfref("a/b/two")]
    two: SelfRef,
    kept: u8,
}

#[stage]
fn promises(b: &Build<Promises>) -> Result<()> {
    fs::write(b.path().join("extra.txt"), "more")?;
    if b.kept >= 1 {
        fs::write(b.one.path(), "one")?;
    }
    if b.kept >= 2 {
        fs::create_dir(b.two.path())?;
    }
    Ok(())
}

/// A stage that keeps a promise, and then removes the artifact.
#[derive(Config)]
struct Broken {
    #[selfref("one.txt")]
    one: SelfRef<Text>,
}

#[stage]
fn broken(b: &Build<Broken>) -> Result<BrokenOutputs> {
    let one = b.one.save("one")?;
    fs::remove_file(b.one.path())?;
    Ok(BrokenOutputs { one })
}

#[test]
fn promises_are_kept_or_nothing_is_published() {
    let (_folder, store) = scratch();
    let with = |kept| instantiate(Promises::new(kept)).unwrap();
    let error = error_of(store.realize(&with(0)));
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert_says(
        &error,
        &[
            "it did not keep its promise `one`: `out/one.txt` does not exist",
            "its promise `two`: `out/a/b/two` does not exist",
            "`b.two.path()`",
        ],
    );
    assert_eq!(names(&kept(&error).join("out")), ["a", "extra.txt"]);
    let error = error_of(store.realize(&with(1)));
    assert!(!format!("{error:?}").contains("promise `one`"), "{error:?}");
    assert_says(&error, &["its promise `two`"]);
    let error = error_of(store.realize(&instantiate(Broken::new()).unwrap()));
    assert_says(&error, &["its promise `one`"]);
    assert!(store.rrefs().unwrap().is_empty());
    // Promised and further artifacts are all published, read-only.
    let rref = store.realize(&with(2)).unwrap();
    assert_eq!(names(rref.path()), ["a", "extra.txt", "one.txt"]);
    assert_eq!(
        fs::read_to_string(rref.path().join("extra.txt")).unwrap(),
        "more"
    );
    assert!(rref.two.path().is_dir() && rref.two.path().ends_with("out/a/b/two"));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().readonly();
    assert!(mode(&rref.path().join("extra.txt")) && mode(rref.path()) && mode(rref.two.path()));
    // A link keeps a promise if its target is published with it.
    let linked = with(0).with_realizer("links", |b| -> Result<()> {
        std::os::unix::fs::symlink("extra.txt", b.one.path())?;
        std::os::unix::fs::symlink("nowhere", b.two.path())?;
        fs::write(b.path().join("extra.txt"), "more")?;
        Ok(())
    });
    let error = error_of(store.realize(&linked));
    assert!(!format!("{error:?}").contains("promise `one`"), "{error:?}");
    assert_says(
        &error,
        &["its promise `two`: `out/a/b/two` is a link to nowhere, which does not exist"],
    );
}

/// A stage without promises.
#[derive(Config)]
struct Nothing {}

#[stage]
fn nothing(b: &Build<Nothing>) -> Result<(), BoxError> {
    writeln!(b.log(), "nothing to do")?;
    Ok(())
}

#[test]
fn logs_are_kept_beside_results() {
    let (_folder, store) = scratch();
    let plan = instantiate(Nothing::new()).unwrap();
    let rref = store.realize(&plan).unwrap();
    assert!(names(rref.path()).is_empty());
    let log = |at: usize| {
        let rref = store.realization_as::<Nothing>(&rref).unwrap();
        let id = rref.builds()[at].id;
        rref.path().with_file_name(format!("build-{id}.log"))
    };
    assert_eq!(fs::read_to_string(log(0)).unwrap(), "nothing to do\n");
    // Each build has a log, even if its result is the same.
    Realize::new(&store).force(&plan).run(&plan).unwrap();
    assert_eq!(fs::read_to_string(log(1)).unwrap(), "nothing to do\n");
    assert_ne!(log(0), log(1));
    // Lines from several threads do not mix; a silent build has no log.
    let threads = plan.clone().with_realizer("threads", |b| -> Result<()> {
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for line in 0..200 {
                        writeln!(b.log(), "{thread} says {line}").unwrap();
                    }
                });
            }
        });
        Ok(())
    });
    store.realize(&threads).unwrap();
    let text = fs::read_to_string(log(2)).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.split(" says ").count() == 2)
            .count(),
        800
    );
    store
        .realize(&plan.with_realizer("silent", |_| Ok::<_, BoxError>(())))
        .unwrap();
    assert!(!log(3).exists());
}

#[test]
fn runs_know_what_they_are() {
    let (_folder, store) = scratch();
    let several = instantiate(Several::new("x".to_owned())).unwrap();
    let id = several.id().clone();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let see = seen.clone();
    let watched = several.with_realizer("watched", move |b| -> Result<()> {
        assert_eq!(b.dref(), &id);
        assert_eq!(b.title, "x");
        assert!(b.index.path().starts_with(b.path()));
        assert!(names(b.path()).is_empty(), "a fresh folder");
        see.lock().unwrap().insert((b.index(), b.path().to_owned()));
        done(b.index.save(&b.index().to_string())?)
    });
    let many = store.realize(&watched).unwrap();
    let seen = seen.lock().unwrap();
    let (indices, folders): (Vec<_>, BTreeSet<_>) = seen.iter().cloned().unzip();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(folders.len(), 3);
    assert!(
        folders.iter().all(|folder| !folder.exists()),
        "nothing is left under way"
    );
    for rref in &many {
        let [build] = rref.builds() else {
            panic!("{:?}", rref.builds())
        };
        assert!(build.start <= build.stop && build.fingerprint.is_some());
        assert_eq!(rref.built_at(), Some(build.stop));
    }
}

#[test]
fn stages_say_how_far_they_are_and_do_not_wait_for_observers() {
    let (_folder, store) = scratch();
    let work = doing(&of("a", &[]), |b| {
        for done in 1..=100_000 {
            b.progress(done, Some(100_000));
        }
        b.text.save("done").map(|_| ()).map_err(Into::into)
    });
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Progress { index, done, .. } = event {
            thread::sleep(Duration::from_millis(50));
            told.lock().unwrap().push((*index, *done));
        }
    };
    Realize::new(&store)
        .jobs(1)
        .observer(observer)
        .run(&work)
        .unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!(told.first(), Some(&(0, 1)));
    assert_eq!(told.last(), Some(&(0, 100_000)), "the end is told");
    assert!(told.len() < 20, "{told:?}");
    // A panic of an observer in between does no harm.
    let panicking =
        |event: &Event<'_>| assert!(!matches!(event, Event::Progress { .. }), "panicking");
    Realize::new(&store)
        .force(&work)
        .observer(panicking)
        .run(&work)
        .unwrap();
}
