//! The content of a build's log, and reading it during the build.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::BoxError;
use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::store::RunningBuild;
use pylightnix::trace::{BuildLogs, log_panics};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};
use tests::runs::{names, scratch};
use tests::store::{Running, child, folder, part};
use tracing::metadata::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Config)]
struct Work {
    title: String,
}

#[stage(many, nouts = 1)]
fn work(_: &Build<Work>) -> Result<()> {
    Ok(())
}

fn doing<F>(title: &str, f: F) -> DRef<Work, Many>
where
    F: Fn(&Build<Work>) -> Result<()> + Send + Sync + 'static,
{
    let work = instantiate(Work::new(title.to_owned())).unwrap();
    work.with_realizer("doing", f)
}

/// Returns the log of a realization, or of a failed build.
fn log_in(folder: &Path) -> String {
    let log = names(folder).into_iter().find(|name| name.ends_with("log"));
    fs::read_to_string(folder.join(log.expect("a log"))).unwrap()
}

fn log_of(rref: &RRef<Work>) -> String {
    log_in(rref.path().parent().unwrap())
}

/// Returns the lines, without the times of events.
fn lines(log: &str) -> Vec<&str> {
    log.lines()
        .map(|line| match line.split_once("Z ") {
            Some((time, rest)) if time.starts_with("20") => rest.trim_start(),
            _ => line,
        })
        .collect()
}

/// Runs a part in a child process, because there is one subscriber per process.
fn alone(part: &str) {
    let folder = folder();
    Running::start(child(part, folder.path())).end();
}

fn logging<R>(level: LevelFilter, work: impl FnOnce() -> R) -> R {
    let subscriber = tracing_subscriber::registry().with(BuildLogs::new().at(level));
    tracing::subscriber::with_default(subscriber, work)
}

/// A stage with a dependency.
#[derive(Config)]
struct After {
    #[dref]
    work: DRef<Work>,
}

#[stage]
fn after(_: &Build<After>) -> Result<()> {
    Ok(())
}

/// A stage after the stage that let go of its dependency.
#[derive(Config)]
struct Last {
    #[dref]
    after: DRef<After>,
}

#[stage]
fn last(_: &Build<Last>) -> Result<()> {
    Ok(())
}

#[test]
fn a_look_at_what_has_left_its_stage_is_an_error_in_the_log_of_who_looks() {
    alone("late");
}

fn late(store: &Store) {
    let left = Arc::new(Mutex::new(None));
    let (leaves, finds) = (left.clone(), left.clone());
    let work = doing("some", |_| Ok(())).latest();
    let after = instantiate(After::new(work)).unwrap();
    let after = after.with_realizer("leaves", move |b: &Build<After>| -> Result<()> {
        *leaves.lock().unwrap() = Some(b.work.clone());
        Ok(())
    });
    let last = instantiate(Last::new(after)).unwrap();
    let last = last.with_realizer("finds", move |_: &Build<Last>| -> Result<()> {
        let work = finds.lock().unwrap().clone().unwrap();
        // It is told once.
        assert_eq!(work.path(), work.path());
        Ok(())
    });
    let last = logging(LevelFilter::INFO, || store.realize(&last).unwrap());
    let log = log_in(last.path().parent().unwrap());
    let (dref, of) = (last.after.id().dref(), last.after.work.id().dref());
    let expected = format!(
        "ERROR pylightnix::run: what a stage depends on was looked at after the stage had ended, and that is not recorded \
         dref={dref} index=0 of={of}"
    );
    assert_eq!(lines(&log), [expected]);
    // The run is over, and nothing panics.
    let left = left.lock().unwrap().take().unwrap();
    assert_eq!(left.id(), last.after.work.id());
}

#[test]
fn what_a_stage_logs_is_in_its_log_beside_what_it_prints() {
    alone("logs");
}

fn logs(store: &Store) {
    let plan = doing("all", |b| {
        tracing::info!(epoch = 3, rate = 0.5, "an epoch is done");
        writeln!(b.log(), "by hand")?;
        b.run(b.command("sh").args(["-c", "echo out; echo err >&2"]))?;
        tracing::debug!("a detail");
        let fold = tracing::info_span!("fold", k = 2, score = tracing::field::Empty);
        let _fold = fold.enter();
        fold.record("score", 7);
        let inner = tracing::warn_span!("inner");
        inner.in_scope(|| tracing::warn!(left = "some", "it goes\non"));
        tracing::error!(code = 4);
        Ok(())
    });
    let rrefs = logging(LevelFilter::INFO, || store.realize(&plan).unwrap());
    let log = log_of(&rrefs[0]);
    let target = module_path!();
    let expected = [
        format!("INFO {target}: an epoch is done epoch=3 rate=0.5"),
        "by hand".to_owned(),
        "out".to_owned(),
        "err".to_owned(),
        format!("WARN {target}: fold{{k=2 score=7}}:inner: it goes"),
        "on left=\"some\"".to_owned(),
        format!("ERROR {target}: fold{{k=2 score=7}}: code=4"),
    ];
    assert_eq!(lines(&log), expected);

    // With the level DEBUG.
    let detail = doing("detail", |_| {
        tracing::debug!("a detail");
        tracing::trace!("too much");
        Ok(())
    });
    let rrefs = logging(LevelFilter::DEBUG, || store.realize(&detail).unwrap());
    assert_eq!(
        lines(&log_of(&rrefs[0])),
        [format!("DEBUG {target}: a detail")]
    );
}

#[test]
fn each_stage_has_its_own_log_and_its_threads_log_there() {
    alone("threads");
}

fn threads(store: &Store) {
    tracing_subscriber::registry().with(BuildLogs::new()).init();
    let plans: Vec<_> = ["a", "b", "c"]
        .map(|title| {
            doing(title, |b| {
                let span = tracing::Span::current();
                thread::scope(|scope| {
                    for at in 0..4 {
                        let span = &span;
                        scope.spawn(move || {
                            span.in_scope(|| tracing::info!("{} in thread {at}", b.title));
                            // Outside of the span, an event belongs to no stage.
                            tracing::info!("outside");
                        });
                    }
                });
                Ok(())
            })
        })
        .into();
    tracing::info!("before");
    // A span of the program around the run is not in any log.
    let _around = tracing::info_span!("around").entered();
    let made = Realize::new(store).jobs(3).run(&plans).unwrap();
    for (title, rrefs) in ["a", "b", "c"].iter().zip(made) {
        let log = log_of(&rrefs[0]);
        let mut lines = lines(&log);
        lines.sort_unstable();
        let expected: Vec<_> = (0..4)
            .map(|at| format!("INFO {}: {title} in thread {at}", module_path!()))
            .collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_run_is_in_the_span_of_its_caller_and_says_what_it_does() {
    alone("around");
}

fn around(store: &Store) {
    /// Records the targets and messages of all events, with the names of their spans.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);
    struct Message(String);
    impl tracing::field::Visit for Message {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    impl<S> tracing_subscriber::Layer<S> for Kept
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            context: tracing_subscriber::layer::Context<'_, S>,
        ) {
            let mut message = Message(String::new());
            event.record(&mut message);
            let spans = context.event_scope(event).into_iter().flatten();
            let spans: Vec<_> = spans.map(|span| span.name()).collect();
            let line = format!("{} {}", spans.join("<"), message.0);
            self.0.lock().unwrap().push(line);
        }
    }
    let kept = Kept::default();
    let subscriber = tracing_subscriber::registry().with(kept.clone());
    tracing::subscriber::with_default(subscriber, || {
        let _around = tracing::info_span!("around").entered();
        let plans = [
            doing("a", |_| {
                tracing::info!("within");
                Ok(())
            }),
            doing("b", |_| Ok(())),
        ];
        Realize::new(store).jobs(2).run(&plans).unwrap();
    });
    let lines = kept.0.lock().unwrap().clone();
    let count = |line: &str| lines.iter().filter(|found| *found == line).count();
    assert_eq!(count("stage<around within"), 1, "{lines:#?}");
    assert_eq!(count("around a stage has to run"), 2, "{lines:#?}");
    assert_eq!(count("around a result is published"), 2, "{lines:#?}");
}

#[test]
fn a_panic_is_in_the_log_once() {
    alone("panics");
}

fn panics(store: &Store) {
    let plan = doing("panics", |_| {
        let all: [u32; 0] = [];
        let first = all.iter().max().expect("no number at all");
        Err(first.to_string().into())
    });
    let kept = |logs: bool| {
        let kept = Mutex::new(None);
        let realize = || {
            let keep = |event: &Event<'_>| {
                if let Event::RunFailed { kept: folder, .. } = event {
                    *kept.lock().unwrap() = folder.map(Path::to_owned);
                }
            };
            let error = Realize::new(store).observer(keep).run(&plan).unwrap_err();
            let told = kept.lock().unwrap().clone();
            assert_eq!(error.path(), told.as_deref());
        };
        match logs {
            true => logging(LevelFilter::INFO, realize),
            false => realize(),
        }
        log_in(&kept.lock().unwrap().take().unwrap())
    };
    let log = kept(false);
    assert!(
        log.starts_with("it panicked: no number at all (at "),
        "{log}"
    );
    assert!(log.contains(file!()) && log.lines().count() == 1, "{log}");
    log_panics();
    log_panics();
    let log = kept(true);
    assert!(log.contains(" ERROR pylightnix::panic: thread `"), "{log}");
    assert!(log.contains("build_tracing.rs:"), "{log}");
    assert_eq!(log.matches("no number at all").count(), 1, "{log}");
}

/// Returns a stage that prints the lines that it receives, until the sender is dropped.
fn told(title: &str) -> (DRef<Work, Many>, Sender<&'static str>, Receiver<()>) {
    let (tell, words) = channel::<&str>();
    let (done, dones) = channel();
    let both = Mutex::new((words, done));
    let plan = doing(title, move |b| {
        let (words, done) = &*both.lock().unwrap();
        for word in words {
            match word {
                "fail" => return Err("as told".into()),
                "start" => {}
                word => writeln!(b.log(), "{word}")?,
            }
            done.send(())?;
        }
        Ok(())
    });
    (plan, tell, dones)
}

fn one(store: &Store, of: &DRef<Work, Many>) -> RunningBuild {
    let mut found = store.running_of(of.id()).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn read(from: &mut impl std::io::Read, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    from.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn a_running_build_is_found_and_its_log_followed_to_the_end() {
    let (_folder, store) = scratch();
    let (plan, tell, done) = told("followed");
    let (other, ..) = told("other");
    assert_eq!(store.running().unwrap(), []);
    let say = |tell: &Sender<_>, word| {
        tell.send(word).unwrap();
        done.recv().unwrap();
    };
    thread::scope(|scope| {
        scope.spawn(|| store.realize(&plan).unwrap());
        say(&tell, "start");
        let build = one(&store, &plan);
        assert_eq!((&build.dref, build.index), (plan.id(), 0));
        assert_eq!(build.process, Some(std::process::id()));
        assert_eq!(store.running().unwrap(), std::slice::from_ref(&build));
        assert_eq!(store.running_of(other.id()).unwrap(), []);
        assert!(!build.log().exists());

        let mut early = build.follow().unwrap();
        let never_read = build.follow().unwrap();
        say(&tell, "first");
        read(&mut early, "first\n");
        say(&tell, "second");
        read(&mut early, "second\n");
        let mut late = build.follow().unwrap();
        read(&mut late, "first\nsecond\n");
        assert_eq!(fs::read_to_string(build.log()).unwrap(), "first\nsecond\n");
        say(&tell, "last");
        drop(tell);
        for (mut follow, rest) in [
            (early, "last\n"),
            (late, "last\n"),
            (never_read, "first\nsecond\nlast\n"),
        ] {
            let mut text = String::new();
            follow.read_to_string(&mut text).unwrap();
            assert_eq!(text, rest);
        }
        assert!(build.follow().is_err());
    });
    assert_eq!(store.running().unwrap(), []);
}

#[test]
fn tries_are_followed_as_one() {
    let (_folder, store) = scratch();
    let (plan, tell, done) = told("tried");
    let say = |tell: &Sender<_>, word| {
        tell.send(word).unwrap();
        done.recv().unwrap();
    };
    thread::scope(|scope| {
        let run = Realize::new(&store)
            .retries(1)
            .retry_wait(Duration::from_millis(1));
        scope.spawn(move || run.run(&plan).unwrap());
        say(&tell, "one");
        let found = store.running().unwrap();
        let mut follow = found[0].follow().unwrap();
        read(&mut follow, "one\n");
        tell.send("fail").unwrap();
        say(&tell, "two");
        drop(tell);
        let mut text = String::new();
        follow.read_to_string(&mut text).unwrap();
        assert!(
            text.contains("as told") && text.ends_with("two\n"),
            "{text}"
        );
    });
}

#[test]
fn those_of_other_processes_are_found_and_those_of_dead_ones_are_not() {
    let folder = folder();
    let mut process = Running::start(child("realize", folder.path()));
    let number = process.wait_for("printed");
    let store = Store::open(folder.path().join("store")).unwrap();
    let found = store.running().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].process, number.parse().ok());
    let mut follow = found[0].follow().unwrap();
    read(&mut follow, "from a child\n");
    process.kill();
    let mut rest = String::new();
    follow.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(store.running().unwrap(), []);
}

#[test]
#[ignore = "a part that other tests play in a process of their own"]
fn part_of_a_child() {
    let Some((part, place)) = part() else { return };
    let store = Store::open(place.join("store")).unwrap();
    match &*part {
        "logs" => return logs(&store),
        "threads" => return threads(&store),
        "around" => return around(&store),
        "panics" => return panics(&store),
        "late" => return late(&store),
        _ => {}
    }
    let plan = doing("child", |b| {
        writeln!(b.log(), "from a child")?;
        println!("\nprinted {}", std::process::id());
        loop {
            thread::park();
        }
    });
    let _: Result<_, BoxError> = store.realize(&plan).map_err(Into::into);
}
