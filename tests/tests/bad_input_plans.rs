//! Unusual and huge plans, and matchers that fail: each error names the stage and gives advice, and stays short.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where, and a matcher may panic"
)]

use pylightnix::plan::Target;
use pylightnix::prelude::*;
use pylightnix::{Error, ErrorKind};
use std::fs;
use tests::runs::{Told, assert_says, in_memory, scratch};
use tests::store::objects;

/// A link of a chain.
#[derive(Config)]
struct Link {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    before: Option<DRef<Link>>,
    number: u64,
}

#[stage]
fn link(b: &Build<Link>) -> Result<LinkOutputs> {
    let out = b.out.save(&b.index().to_string())?;
    Ok(LinkOutputs { out })
}

/// A stage that takes a run-time argument.
#[derive(Config)]
struct Asking {
    #[dref]
    link: DRef<Link>,
    number: u64,
}

#[stage(args(u8))]
fn asking(_: &Build<Asking>) -> Result<()> {
    Ok(())
}

/// A stage with two runs per build.
#[derive(Config)]
struct Pair {}

#[stage(many, nouts = 2)]
fn pair(b: &Build<Pair>) -> Result<()> {
    Ok(fs::write(b.path().join("index"), b.index().to_string())?)
}

fn of(number: u64) -> DRef<Link> {
    instantiate(Link::new(None, number)).unwrap()
}

#[track_caller]
fn fails<T: Target>(run: &Realize<'_>, target: &T, what: &[&str]) -> Error {
    let Err(error) = run.run(target) else {
        panic!("it was realized")
    };
    assert_says(&error, what);
    assert_says(&error, &["help: "]);
    error
}

#[test]
fn panics_of_keys_and_filters_name_the_stage() {
    let (_folder, store) = scratch();
    store.realize(&of(1).latest_n(2)).unwrap();
    let before = objects(&store);
    let run = Realize::new(&store);
    let numbers: Vec<u64> = vec![];
    let key = of(1).lowest(move |run| Ok(numbers[run.out.load()?.len()]));
    let what = [
        "the matcher of stage `link` failed",
        "it panicked: index out of bounds",
        &format!("the derivation is {key}"),
    ];
    let error = fails(&run, &key, &what);
    assert_eq!(error.kind(), ErrorKind::Matcher);
    let filter = matcher::latest()
        .filter(|run: &RRef<Link>| -> Result<bool> { panic!("no {} today", run.number) });
    let filter = of(1).with_matcher(filter);
    fails(
        &run,
        &filter,
        &[
            "the matcher of stage `link` failed",
            "it panicked: no 1 today",
        ],
    );
    // With `keep_going`, other stages continue, and its dependents do not.
    let after = instantiate(Link::new(Some(filter), 2)).unwrap();
    let told = Told::default();
    let run = Realize::new(&store).jobs(1).keep_going().observer(&told);
    fails(
        &run,
        &(of(7), after),
        &["1 stage that needs it was not run"],
    );
    assert_eq!(told.of("published").len(), 1);
    assert_eq!(objects(&store).len(), before.len() + objects_of_one(&store));
    // After the failure, no lock is held.
    store.realize(&of(1)).unwrap();
}

/// Returns how many files and folders one more link adds.
fn objects_of_one(store: &Store) -> usize {
    let of = of(7).id().to_string();
    let (_, name) = of.split_once(':').unwrap();
    objects(store)
        .keys()
        .filter(|path| path.contains(name))
        .count()
}

#[test]
fn a_matcher_that_asks_for_too_many() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let run = Realize::new(&store).observer(&told);
    let below_zero = matcher::pick_many(|runs: &[RRef<Link>]| {
        Ok(Choice::<Link>::Build(runs.len().wrapping_sub(3)))
    });
    let what = [
        "stage `link` cannot be realized: its matcher asked for 18446744073709551613 more realizations",
        "one build makes at most 1000000: ask for fewer",
    ];
    fails(&run, &of(1).with_matcher(below_zero), &what);
    let pairs = instantiate(Pair::new()).unwrap();
    let pairs = pairs.with_matcher(matcher::latest_n(usize::MAX));
    fails(
        &run,
        &pairs,
        &["stage `pair` cannot be realized: its matcher asked for"],
    );
    assert!(
        store
            .plan(&pairs)
            .unwrap()
            .to_string()
            .contains("ask for fewer")
    );
    assert!(told.of("started").is_empty());
    assert!(objects(&store).is_empty());
}

#[test]
fn a_failure_in_an_enormous_plan_is_told_briefly() {
    const MANY: u64 = 10_000;
    let (_folder, store) = in_memory();
    let mut last = of(0).with_realizer("fails", |_| -> Result<()> { Err("no luck".into()) });
    for number in 1..MANY {
        last = instantiate(Link::new(Some(last), number)).unwrap();
    }
    let brief = |error: &Error| {
        let report = format!("{error:?}");
        assert!(report.len() < 3_000, "{report}");
    };
    let error = fails(
        &Realize::new(&store).keep_going(),
        &last,
        &[
            "stage `link number=0` failed in run 0",
            "no luck",
            "9999 stages that need it were not run",
        ],
    );
    brief(&error);
    let Err(error) = store.realized(&last) else {
        panic!("it was realized")
    };
    assert_says(
        &error,
        &[
            "10000 of 10000 stages are not realized",
            "the first 10 of the others are listed",
        ],
    );
    brief(&error);
    let asking: Vec<_> = (0..MANY)
        .map(|number| instantiate(Asking::new(of(1), number)).unwrap())
        .collect();
    let error = fails(
        &Realize::new(&store),
        &asking,
        &[
            "stage `asking` takes the run-time argument `u8`",
            "and 9995 more",
        ],
    );
    brief(&error);
}

#[test]
fn no_derivation_names_itself() {
    let (_folder, store) = scratch();
    let plan = instantiate(Link::new(Some(of(1)), 2)).unwrap();
    let made = store.realize(&plan).unwrap();
    // A cycle cannot be written in memory. In a store, a forged config does not match its name.
    let config = store.derivation_dir(plan.id()).join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    let own = text.replace(&of(1).to_string(), &plan.to_string());
    assert_ne!(own, text);
    fs::remove_file(&config).unwrap();
    fs::write(&config, own).unwrap();
    let Err(error) = store.derivation(&plan) else {
        panic!("it was instantiated")
    };
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_says(&error, &["sha256sum", &plan.to_string(), "help: "]);
    let Err(error) = store.realization_as::<Link>(&made) else {
        panic!("it was opened")
    };
    assert_says(&error, &["sha256sum", &plan.to_string()]);
}
