//! The realized results of a plan, without building; and planning and running in one call.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::plan::Target;
use pylightnix::prelude::*;
use pylightnix::{BoxError, Error, ErrorKind};
use std::collections::BTreeMap;
use std::fs;
use tests::runs::{Told, assert_says, scratch, traces};
use tests::store::objects;

/// A stage with dependencies.
#[derive(Config)]
struct Number {
    #[selfref("n.json")]
    out: SelfRef<Json<u64>>,
    #[dref]
    after: Vec<DRef<Number>>,
    n: u64,
}

#[stage]
fn number(b: &Build<Number>) -> Result<NumberOutputs> {
    let out = b.out.save(&b.n)?;
    Ok(NumberOutputs { out })
}

/// A stage with a run-time argument.
#[derive(Config)]
struct Asking {
    #[selfref("index.txt")]
    index: SelfRef<Text>,
}

#[stage(args(u8))]
fn asking(b: &Build<Asking>) -> Result<AskingOutputs> {
    let index = b.index.save(&b.index().to_string())?;
    Ok(AskingOutputs { index })
}

fn of(n: u64, after: &[&DRef<Number>]) -> DRef<Number> {
    let after = after.iter().map(|&number| number.clone()).collect();
    instantiate(Number::new(after, n)).unwrap()
}

#[track_caller]
fn error_of<T, E>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

#[track_caller]
fn is_not<T: Target>(store: &Store, target: &T, what: &[&str]) -> Error {
    let before = objects(store);
    let told = Told::default();
    let run = Realize::new(store).observer(&told);
    let error = error_of(run.realized(target));
    drop(run);
    assert!(told.lines().is_empty(), "{:?}", told.lines());
    assert_eq!(objects(store), before);
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_says(&error, what);
    assert_says(
        &error,
        &[
            "nothing was run",
            "help: `Realize::run` makes what is missing",
        ],
    );
    error
}

#[test]
fn what_is_there_is_given_in_the_shape_of_the_target() {
    let (_folder, store) = scratch();
    let one = of(1, &[]);
    let two = of(2, &[&one]);
    let target = BTreeMap::from([("both", (one.clone(), vec![two.clone()]))]);
    let made = store.realize(&target).unwrap();
    let before = traces(&store.root().join("store-v1"));
    let there = store.realized(&target).unwrap();
    assert_eq!(there, made);
    assert_eq!(there["both"].1[0].after[0], there["both"].0);
    assert_eq!(traces(&store.root().join("store-v1")), before);
}

#[test]
fn what_is_missing_is_told_with_the_reason() {
    let (_folder, store) = scratch();
    let one = of(1, &[]);
    is_not(
        &store,
        &one,
        &[
            "the stage is not realized",
            "- stage `number` would have to run: missing",
            &format!("the derivation is {one}"),
        ],
    );
    store.realize(&one).unwrap();
    // A missing stage, and a consumer that was never built.
    let two = of(2, &[&one]);
    is_not(
        &store,
        &(&one, &two),
        &[
            "1 of 2 stages is not realized",
            "run: missing",
            &two.to_string(),
        ],
    );
    store.realize(&two).unwrap();
    // Stale results; the state of their consumer is unknown.
    let changed = one.clone().with_realizer("other", |b| -> Result<()> {
        let _ = b.out.save(&7)?;
        Ok(())
    });
    let error = is_not(
        &store,
        &of(2, &[&changed]),
        &[
            "2 of 2 stages are not realized",
            "would have to run: stale: its code changed",
            "1 more depend on what is missing",
        ],
    );
    assert_eq!(error.parts().len(), 1);
    store.realize(&changed).unwrap();
    let carried = "would be carried from another context: `number` was made again";
    is_not(&store, &of(2, &[&changed]), &[carried]);
    // A forced stage has to run, even if it has results.
    let forced = error_of(Realize::new(&store).force(&one).realized(&one));
    assert_says(&forced, &["would have to run: forced"]);
}

#[test]
fn what_the_matcher_wants_is_told() {
    let (_folder, store) = scratch();
    let run = Realize::new(&store).arg(0_u8);
    let asking = instantiate(Asking::new()).unwrap();
    let made = run.run(&asking).unwrap();
    // No arguments are needed.
    assert_eq!(store.realized(&asking).unwrap(), made);
    let two = asking.clone().latest_n(2);
    is_not(
        &store,
        &two,
        &["its matcher wants more than the existing results (1)"],
    );
    let runs = run.run(&two).unwrap();
    assert_eq!(store.realized(&two).unwrap(), runs);
    let only = asking.clone().only();
    is_not(
        &store,
        &only,
        &["cannot be realized", "found 2 different results"],
    );
    let gone = runs[1].id().clone();
    let exact = asking.with_matcher(matcher::exact(&gone));
    assert_eq!(store.realized(&exact).unwrap(), runs[1]);
    fs::remove_dir_all(store.realization_dir(&gone)).unwrap();
    is_not(
        &store,
        &exact,
        &[
            "cannot be realized: its matcher insists on",
            "is not in the store",
        ],
    );
}

#[test]
fn many_that_are_missing_are_counted() {
    let (_folder, store) = scratch();
    let target: Vec<_> = (0..25).map(|n| of(n, &[])).collect();
    let error = is_not(
        &store,
        &target,
        &["25 of 25 stages", "the first 10 of the others are listed"],
    );
    assert_eq!(error.parts().len(), 10);
}

#[test]
fn plan_and_run_in_one_call() {
    fn experiment() -> Result<DRef<Number>> {
        let one = instantiate(Number::new(vec![], 1))?;
        Ok(instantiate(Number::new(vec![one], 2))?)
    }
    fn fails() -> Result<DRef<Number>> {
        Err("no plan".into())
    }
    let (_folder, store) = scratch();
    let made = store.evaluate(experiment).unwrap();
    assert_eq!(made.after[0].out.load().unwrap(), 1);
    assert_eq!(store.realized(&experiment().unwrap()).unwrap(), made);
    let shape = store.evaluate(|| -> Result<_> { Ok([(experiment()?, Some(of(3, &[])))]) });
    assert_eq!(shape.unwrap()[0].0, made);
    // The error of the plan keeps its type.
    let error: BoxError = error_of(store.evaluate(fails));
    assert_eq!(error.to_string(), "no plan");
    let error: Error = error_of(store.evaluate(|| {
        let failing = of(4, &[]).with_realizer("fails", |_| -> Result<()> { Err("no".into()) });
        pylightnix::Result::Ok(failing)
    }));
    assert_says(&error, &["stage `number` failed", "caused by: no"]);
}
