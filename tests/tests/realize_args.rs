//! Run-time arguments: given by type, read in stages, checked before any stage runs, not part of the identity.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::plan::TakesArg;
use pylightnix::prelude::*;
use pylightnix::realize::Action;
use pylightnix::{Error, ErrorKind};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tests::runs::{Told, assert_says, scratch};
use tests::store::snapshot;

/// The verbosity.
#[derive(Debug)]
struct Verbosity(u8);

/// A token that is neither `Clone` nor serializable: arguments need not be.
struct Token(String);

/// A counter shared by all runs.
type Progress = Arc<AtomicUsize>;

/// A stage that takes arguments.
#[derive(Config)]
struct Fetched {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    title: String,
}

#[stage(args(Token, Progress))]
fn fetched(b: &Build<Fetched>) -> Result<FetchedOutputs> {
    b.arg::<Progress>().fetch_add(1, SeqCst);
    assert!(b.arg::<Token>().0.starts_with("secret"));
    let text = b.text.save(&b.title)?;
    Ok(FetchedOutputs { text })
}

/// A stage without arguments.
#[derive(Config)]
struct Plain {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    #[dref]
    after: Vec<DRef<Fetched>>,
}

#[stage]
fn plain(b: &Build<Plain>) -> Result<PlainOutputs> {
    let text = b.text.save("plain")?;
    Ok(PlainOutputs { text })
}

/// A stage that takes another argument.
#[derive(Config)]
struct Length {
    #[selfref("length.json")]
    length: SelfRef<Json<usize>>,
    #[dref]
    of: DRef<Fetched>,
}

#[stage(args(Verbosity))]
fn length(b: &Build<Length>) -> Result<LengthOutputs> {
    tell(b, "measuring");
    let length = b.length.save(&b.of.text.load()?.len())?;
    Ok(LengthOutputs { length })
}

fn tell<C: TakesArg<Verbosity>>(b: &Build<C>, what: &str) {
    use std::io::Write as _;
    if b.arg::<Verbosity>().0 > 1 {
        writeln!(b.log(), "{what}").unwrap();
    }
}

/// A generic stage whose argument depends on its parameter.
#[derive(Config)]
struct Generic<const N: usize> {}

struct Sized<const N: usize>([u8; N]);

#[stage(args(Sized<N>))]
fn generic<const N: usize>(b: &Build<Generic<N>>) -> Result<()> {
    Ok(fs::write(b.path().join("bytes"), b.arg::<Sized<N>>().0)?)
}

fn of(title: &str) -> DRef<Fetched> {
    instantiate(Fetched::new(title.to_owned())).unwrap()
}

fn length_of(title: &str) -> DRef<Length> {
    instantiate(Length::new(of(title))).unwrap()
}

fn token() -> Token {
    Token("secret 4711".to_owned())
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

#[test]
fn stages_read_what_the_run_gives() {
    let (_folder, store) = scratch();
    let progress = Progress::default();
    let run = Realize::new(&store)
        .arg(Verbosity(1))
        .arg(Verbosity(2))
        .arg(token())
        .arg(progress.clone());
    let length = run.run(&length_of("four")).unwrap();
    assert_eq!(length.length.load().unwrap(), 4);
    assert_eq!(progress.load(SeqCst), 1);
    // The last argument of a type counts.
    let log = format!("build-{}.log", length.builds()[0].id);
    let log = fs::read_to_string(length.path().with_file_name(log)).unwrap();
    assert_eq!(log, "measuring\n");
}

#[test]
fn arguments_are_no_part_of_any_identity() {
    let with = |verbosity| {
        let (folder, store) = scratch();
        let run = Realize::new(&store).arg(Verbosity(verbosity)).arg(token());
        let rref = run.arg(Progress::default()).run(&length_of("a")).unwrap();
        let builds = rref.builds().to_vec();
        drop(folder);
        (rref.id().clone(), builds[0].fingerprint.clone())
    };
    assert_eq!(with(0), with(9));
    let (_folder, store) = scratch();
    let progress = Progress::default();
    let run = |verbosity| {
        let run = Realize::new(&store).arg(Verbosity(verbosity)).arg(token());
        run.arg(progress.clone()).run(&length_of("a")).unwrap()
    };
    assert_eq!(run(0), run(1));
    assert_eq!(progress.load(SeqCst), 1, "the other run reused it");
    let files = snapshot(store.root());
    let secret = |(_, (_, bytes)): &(&String, &(u32, Vec<u8>))| {
        bytes.windows(4).any(|window| window == b"4711")
    };
    assert!(files.iter().find(secret).is_none(), "nothing keeps a token");
}

#[test]
fn a_missing_argument_stops_everything_before_it_begins() {
    let (_folder, store) = scratch();
    let before = snapshot(store.root());
    let plan = (instantiate(Plain::new(vec![])).unwrap(), length_of("a"));
    for keep_going in [false, true] {
        let told = Told::default();
        let run = Realize::new(&store).observer(&told);
        let run = run.arg(token()).arg(Progress::default()).arg(2_u8);
        let run = if keep_going { run.keep_going() } else { run };
        let error = error_of(run.run(&plan));
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert_says(
            &error,
            &[
                "stage `length` takes the run-time argument `realize_args::Verbosity`, and the run gives none",
                "help: give it to the run: `Realize::new(&store).arg(value)` with a value of that type",
                "and of no other type; the run gives ",
                "`realize_args::Token`, `u8`",
                &format!("the derivation is {}", plan.1),
            ],
        );
        assert!(told.lines().is_empty(), "{:?}", told.lines());
        drop(run);
    }
    assert_eq!(snapshot(store.root()), before);
}

#[test]
fn all_missing_arguments_are_told_at_once() {
    let (_folder, store) = scratch();
    let plan: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(length_of).into();
    let error = error_of(store.realize(&plan));
    assert_says(
        &error,
        &[
            "3 run-time arguments are missing; nothing was run",
            "- stage `fetched` takes the run-time argument `realize_args::Token`",
            "and 2 more",
            "stage `length` takes the run-time argument `realize_args::Verbosity`",
            "takes the run-time argument `alloc::sync::Arc<core::sync::atomic::",
        ],
    );
    assert_eq!(error.parts().len(), 3);
    assert!(!format!("{error:?}").contains("the run gives `"));
}

#[test]
fn what_is_there_needs_no_argument() {
    let (_folder, store) = scratch();
    let plan = length_of("a");
    let run = || Realize::new(&store).arg(token()).arg(Progress::default());
    let all = run().arg(Verbosity(0)).run(&plan).unwrap();
    assert_eq!(store.realize(&plan).unwrap(), all);
    // A stage that is reused needs no argument either, even if another stage of the plan runs.
    let other = instantiate(Plain::new(vec![of("a")])).unwrap();
    store.realize(&(plan.clone(), other)).unwrap();
    // A forced stage needs its arguments, and so does a stage that may run after it.
    let error = error_of(
        Realize::new(&store)
            .arg(Verbosity(0))
            .force(of("a"))
            .run(&plan),
    );
    assert_says(&error, &["2 run-time arguments are missing"]);
    let error = error_of(run().force(of("a")).run(&plan));
    assert_says(
        &error,
        &["stage `length` takes", "`realize_args::Verbosity`"],
    );
}

#[test]
fn a_dry_run_says_what_is_missing() {
    let (_folder, store) = scratch();
    let plan = length_of("a");
    let dry = store.plan(&plan).unwrap();
    let Action::Fails(why) = &dry.step(of("a")).unwrap().action else {
        panic!("{dry}")
    };
    assert!(
        why.starts_with(
            "it takes the run-time argument `realize_args::Token` and `alloc::sync::Arc"
        ),
        "{why}"
    );
    assert!(
        why.ends_with("`Realize::new(&store).arg(..)` gives one"),
        "{why}"
    );
    let run = Realize::new(&store).arg(token()).arg(Progress::default());
    let dry = run.plan(&plan).unwrap();
    assert!(matches!(
        dry.step(of("a")).unwrap().action,
        Action::Build { .. }
    ));
    assert!(matches!(dry.step(&plan).unwrap().action, Action::Fails(_)));
    let dry = run.arg(Verbosity(0)).plan(&plan).unwrap();
    assert!(matches!(
        dry.step(&plan).unwrap().action,
        Action::Undecided { .. } | Action::Build { .. }
    ));
}

#[test]
fn another_realizer_reads_the_arguments_of_its_stage() {
    let (_folder, store) = scratch();
    let said = Arc::new(Mutex::new(Vec::new()));
    let saying = said.clone();
    let plan = of("a").with_realizer("telling", move |b| -> Result<()> {
        saying.lock().unwrap().push(b.arg::<Token>().0.clone());
        let _ = b.text.save("told")?;
        Ok(())
    });
    let missing = error_of(store.realize(&plan));
    assert_eq!(missing.kind(), ErrorKind::Argument);
    let run = Realize::new(&store).arg(Token("secret 2".to_owned()));
    run.arg(Progress::default()).run(&plan).unwrap();
    assert_eq!(*said.lock().unwrap(), ["secret 2"]);
}

#[test]
fn generic_stages_take_arguments_of_their_parameters() {
    let (_folder, store) = scratch();
    let plan = (
        instantiate(Generic::<1>::new()).unwrap(),
        instantiate(Generic::<2>::new()).unwrap(),
    );
    let run = Realize::new(&store).arg(Sized([7]));
    let error = error_of(run.run(&plan.1));
    assert_says(
        &error,
        &[
            "`realize_args::Sized<2>`",
            "the run gives `realize_args::Sized<1>`",
        ],
    );
    run.run(&plan.0).unwrap();
}

#[test]
fn a_derivation_from_the_store_takes_its_arguments() {
    let (_folder, store) = scratch();
    let run = || Realize::new(&store).arg(token()).arg(Progress::default());
    let there = run().arg(Verbosity(0)).run(&length_of("a")).unwrap();
    let again = store.derivation(there.id().dref()).unwrap();
    let error = error_of(run().force(&again).run(&again));
    assert_says(&error, &["stage `length` takes the run-time argument"]);
    let rrefs = run().arg(Verbosity(0)).force(&again).run(&again).unwrap();
    assert_eq!(rrefs[0].id(), there.id());
}
