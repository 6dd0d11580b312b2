//! Fallible stages: what consumers see, what is recorded, and when failures are retried.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where, and a stage may panic"
)]

use pylightnix::prelude::*;
use pylightnix::realize::Action;
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
use pylightnix::{Error, ErrorKind};
use std::fs;
use std::io::{self, Write as _};
use tests::runs::{Told, assert_says, names, scratch};
use tests::store::{objects, unused};

/// A fallible stage.
#[derive(Config)]
struct Trial {
    #[selfref("score.json")]
    score: SelfRef<Json<f64>>,
    #[selfref("deep/notes.txt")]
    notes: SelfRef<Text>,
    rate: f64,
}

#[stage(fallible)]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    writeln!(b.log(), "try {}", b.index())?;
    let notes = b.notes.save("half of it")?;
    if b.rate > 1. {
        return Err(format!("it diverged at rate {}", b.rate).into());
    }
    Ok(TrialOutputs {
        score: b.score.save(&b.rate)?,
        notes,
    })
}

/// A consumer that inspects failures.
#[derive(Config)]
struct Summary {
    #[selfref("summary.txt")]
    text: SelfRef<Text>,
    #[dref]
    trials: Vec<DRef<Trial, Try<One>>>,
    #[dref]
    score: Option<RefPath<Json<f64>, Try<One>>>,
}

#[stage]
fn summary(b: &Build<Summary>) -> Result<SummaryOutputs> {
    let mut text = String::new();
    for trial in &b.trials {
        text += &match trial {
            Ok(trial) => format!("{} scored {}\n", trial.rate, trial.score.load()?),
            Err(failure) => format!("{}\n", failure.text()),
        };
    }
    match &b.score {
        None => {}
        Some(Ok(score)) => text += &score.load()?.to_string(),
        Some(Err(failure)) => text += &failure.to_string(),
    }
    let text = b.text.save(&text)?;
    Ok(SummaryOutputs { text })
}

/// A consumer that needs successes.
#[derive(Config)]
struct Strict {
    #[dref]
    trial: DRef<Trial, Try<One>>,
}

#[stage(fallible)]
fn strict(b: &Build<Strict>) -> Result<()> {
    let trial = b.trial.clone()?;
    let _ = trial.score.load()?;
    Ok(())
}

/// An older version that is not fallible.
#[derive(Config)]
struct Naive {
    #[dref]
    trial: DRef<Trial>,
}

#[stage]
fn naive(b: &Build<Naive>) -> Result<()> {
    let _ = b.trial.score.load()?;
    Ok(())
}

/// A consumer of a file that was made from trials.
#[derive(Config)]
struct Reader {
    #[dref]
    text: RefPath<Text>,
}

#[stage]
fn reader(b: &Build<Reader>) -> Result<()> {
    Ok(fs::write(b.path().join("copy.txt"), b.text.load()?)?)
}

fn of(rate: f64) -> DRef<Trial, Try<One>> {
    instantiate(Trial::new(rate)).unwrap()
}

fn summary_of(rates: &[f64]) -> DRef<Summary> {
    let trials: Vec<_> = rates.iter().map(|rate| of(*rate)).collect();
    let score = trials[0].score.clone();
    instantiate(Summary::new(trials, Some(score))).unwrap()
}

fn failing(label: &str, rate: f64) -> DRef<Trial, Try<One>> {
    let text = label.to_owned();
    of(rate).with_realizer(label, move |_| -> Result<()> { Err(text.clone().into()) })
}

#[track_caller]
fn failure(store: &Store, plan: &DRef<Trial, Try<One>>) -> Failure {
    match store.realize(plan).unwrap() {
        Ok(rref) => panic!("{rref} went well"),
        Err(failure) => failure,
    }
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

#[test]
fn consumers_see_a_failure_as_a_value() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let run = Realize::new(&store).jobs(1).observer(&told);
    let plan = summary_of(&[2., 0.5]);
    let (made, report) = run.run_reporting(&plan).unwrap();
    assert_eq!(
        made.text.load().unwrap(),
        "it diverged at rate 2\n0.5 scored 0.5\nstage `trial` failed: it diverged at rate 2"
    );
    assert_eq!((report.failures, report.built, report.runs), (1, 3, 3));
    assert_eq!(
        report.to_string(),
        "3 of 3 stages built in 3 runs, 0 reused; 1 is a failure"
    );
    assert_eq!(told.of("recorded"), ["recorded trial#0 new"]);
    assert!(told.of("failed").is_empty());
    let (again, report) = run.run_reporting(&plan).unwrap();
    assert_eq!(again, made);
    assert_eq!(
        report.to_string(),
        "nothing to build: all 3 stages reused; 1 is a failure"
    );
    // In realized fields, as in a build.
    assert_eq!(
        again.trials[0].as_ref().unwrap_err().text(),
        "it diverged at rate 2"
    );
    assert_eq!(again.trials[1].as_ref().unwrap().score.load().unwrap(), 0.5);
    assert!(matches!(&again.score, Some(Err(failure)) if failure.text().contains("rate 2")));
    // As a target of any shape.
    let (bad, good) = store.realize(&(of(2.), [of(0.5)])).unwrap();
    assert_eq!(bad, again.trials[0]);
    assert_eq!(good[0], again.trials[1]);
    let any = store.realize(&of(2.).erase()).unwrap();
    assert_eq!(any[0].failure().unwrap(), bad.unwrap_err());
    assert!(any[0].downcast::<Trial>().is_none());
}

#[test]
fn a_failure_is_a_realization_with_text_and_log() {
    let (_folder, store) = scratch();
    let failure = failure(&store, &of(3.));
    assert_eq!(names(failure.path()), ["failure.txt"]);
    let text = fs::read_to_string(failure.path().join("failure.txt")).unwrap();
    assert_eq!(text, "it diverged at rate 3\n");
    assert_eq!(
        fs::read_to_string(failure.log().unwrap()).unwrap(),
        "try 0\n"
    );
    assert_eq!(failure.builds().len(), 1);
    let record = fs::read_to_string(failure.path().with_file_name("record")).unwrap();
    assert!(record.contains("\nres failed\n"), "{record}");
    assert_eq!(
        store.realization(failure.id()).unwrap().outcome,
        Outcome::Failed
    );
    // The files that the failed stage wrote are kept for inspection, as with other failures.
    let kept = names(&store.root().join("failed"));
    assert_eq!(kept.len(), 1);
    let kept = store.root().join("failed").join(&kept[0]);
    assert_eq!(
        fs::read_to_string(kept.join("out/deep/notes.txt")).unwrap(),
        "half of it"
    );
    assert!(store.check().run().unwrap().is_sound());
}

#[test]
fn a_failure_stands_until_something_changes() {
    let (_folder, store) = scratch();
    let first = failure(&store, &of(2.));
    assert_eq!(failure(&store, &of(2.)).builds().len(), 1);
    // With `retry_failed` the stage runs again; an equal failure is the same realization.
    let told = Told::default();
    let retrying = Realize::new(&store).retry_failed().observer(&told);
    let plan = (of(2.), of(0.5));
    store.realize(&of(0.5)).unwrap().unwrap();
    let again = retrying.run(&plan).unwrap().0.unwrap_err();
    assert_eq!(again, first);
    assert_eq!(again.builds().len(), 2);
    assert_eq!(told.of("building"), ["building trial x1: it failed before"]);
    assert_eq!(told.of("recorded"), ["recorded trial#1 again"]);
    let forced = Realize::new(&store).force(of(2.)).run(&of(2.)).unwrap();
    assert_eq!(forced.unwrap_err().builds().len(), 3);
    // There is no failure of the changed code yet.
    let other = of(2.).with_realizer("better", |b| -> Result<()> {
        let _ = (b.score.save(&9.)?, b.notes.save("good")?);
        Ok(())
    });
    let dry = store.plan(&other).unwrap().to_string();
    assert!(dry.contains("stale: its code changed"), "{dry}");
    assert_eq!(
        store
            .realize(&other)
            .unwrap()
            .unwrap()
            .score
            .load()
            .unwrap(),
        9.
    );
    // The failure of the first code is still recorded.
    assert_eq!(failure(&store, &of(2.)), first);
}

#[test]
fn dry_runs_and_assertions_know_failures() {
    let (_folder, store) = scratch();
    let plan = summary_of(&[2.]);
    store.realize(&plan).unwrap();
    let dry = store.plan(&plan).unwrap();
    assert!(dry.is_done());
    assert!(matches!(
        dry.step(of(2.)).unwrap().action,
        Action::Failed(_)
    ));
    let text = dry.to_string();
    assert!(
        text.contains(": its failure is its result; `retry_failed()` tries it again"),
        "{text}"
    );
    assert!(
        text.ends_with("nothing to build: 2 stages reused"),
        "{text}"
    );
    assert!(store.realized(&of(2.)).unwrap().is_err());
    let retry = Realize::new(&store).retry_failed();
    let dry = retry.plan(&plan).unwrap().to_string();
    assert!(
        dry.contains("build   dref:") && dry.contains(": it failed before"),
        "{dry}"
    );
    assert_says(
        &error_of(retry.realized(&plan)),
        &["would have to run: it failed before"],
    );
}

#[test]
fn a_success_is_preferred() {
    let (_folder, store) = scratch();
    let flaky = |label: &str| {
        of(0.).with_realizer(label, |b| -> Result<()> {
            if b.index() % 2 == 0 {
                return Err(format!("bad luck in run {}", b.index()).into());
            }
            let _ = (b.score.save(&0.)?, b.notes.save("")?);
            Ok(())
        })
    };
    let plan = flaky("flaky");
    let retry = Realize::new(&store).retry_failed();
    assert_eq!(failure(&store, &plan).text(), "bad luck in run 0");
    let good = retry.run(&plan).unwrap().unwrap();
    // The next run fails again and changes nothing; a success is not retried.
    let forced = Realize::new(&store).force(&plan).run(&plan).unwrap();
    assert_eq!(forced.unwrap(), good);
    assert_eq!(retry.run(&plan).unwrap().unwrap(), good);
    let failures = store.rrefs_of(plan.id()).unwrap().len() - 1;
    assert_eq!(failures, 2);
    // The newest of several failures counts.
    let (_folder, store) = scratch();
    for label in ["a", "b", "c"] {
        let plan = of(5.).with_realizer("same code", {
            let text = label.to_owned();
            move |_| -> Result<()> { Err(text.clone().into()) }
        });
        let failed = Realize::new(&store).force(&plan).run(&plan).unwrap();
        assert_eq!(failed.unwrap_err().text(), label);
    }
    assert_eq!(failure(&store, &failing("same code", 5.)).text(), "c");
}

/// A stage with three runs per build.
#[derive(Config)]
struct Three {
    #[selfref("index.txt")]
    index: SelfRef<Text>,
    good: usize,
}

#[stage(fallible, nouts = 3, matcher = highest(index))]
fn three(b: &Build<Three>) -> Result<ThreeOutputs> {
    if b.index() != b.good {
        return Err(format!("run {} is no good", b.index()).into());
    }
    let index = b.index.save(&b.index().to_string())?;
    Ok(ThreeOutputs { index })
}

fn index(run: &RRef<Three>) -> Result<String> {
    Ok(run.index.load()?)
}

#[test]
fn of_several_runs_some_may_fail() {
    let (_folder, store) = scratch();
    let one = store.realize(&instantiate(Three::new(1)).unwrap()).unwrap();
    assert_eq!(one.unwrap().index.load().unwrap(), "1");
    let none = instantiate(Three::new(7)).unwrap();
    assert!(store.realize(&none).unwrap().is_err());
    assert_eq!(store.rrefs_of(none.id()).unwrap().len(), 3);
}

#[test]
fn panics_and_broken_promises_are_no_results() {
    let (_folder, store) = scratch();
    let panics = of(1.).with_realizer("panics", |b| -> Result<()> {
        assert!(b.rate > 1., "the rate is {}", b.rate);
        Ok(())
    });
    let error = error_of(store.realize(&panics));
    assert_says(
        &error,
        &[
            "stage `trial` failed in run 0",
            "it panicked: the rate is 1",
            "its folder is kept",
        ],
    );
    let lazy = of(1.).with_realizer("lazy", |_| -> Result<()> { Ok(()) });
    assert_says(
        &error_of(store.realize(&lazy)),
        &["it did not keep its promise `score`"],
    );
    let full = of(1.).with_realizer("full", |_| -> Result<()> {
        Err(io::Error::from(io::ErrorKind::StorageFull).into())
    });
    assert_says(
        &error_of(store.realize(&full)),
        &["stage `trial` failed in run 0", "no storage space"],
    );
    assert!(objects(&store).is_empty(), "nothing was recorded");
}

#[test]
fn whoever_wants_a_result_is_stopped() {
    let (_folder, store) = scratch();
    let naive = |rate| instantiate(Naive::new(of(rate).latest())).unwrap();
    failure(&store, &of(2.));
    // The existing failure is not a candidate: the stage runs, and its failure fails the run.
    let error = error_of(store.realize(&naive(2.)));
    assert_says(
        &error,
        &[
            "stage `trial` failed in run 0",
            "it diverged at rate 2",
            "1 stage that needs it was not run",
        ],
    );
    assert_eq!(store.rrefs_of(of(2.).id()).unwrap().len(), 1);
    store.realize(&naive(0.5)).unwrap();
    // Both cannot be in one plan.
    let error = error_of(store.realize(&(of(2.), of(2.).latest())));
    assert_says(&error, &["is in this plan twice", "their matchers differ"]);
    assert_says(
        &error_of(store.realize(&(of(2.), naive(2.)))),
        &["is in this plan twice"],
    );
}

#[test]
fn any_choice_can_be_one_or_its_failure() {
    let (_folder, store) = scratch();
    let plan = of(2.).lowest(|run| Ok(run.score.load()?)).or_failure();
    assert_eq!(
        store.realize(&plan).unwrap().unwrap_err().text(),
        "it diverged at rate 2"
    );
    // Also for a stage that is not declared fallible.
    let naive = instantiate(Naive::new(of(3.).latest()))
        .unwrap()
        .or_failure();
    let error = error_of(store.realize(&naive));
    assert_says(&error, &["stage `trial` failed"]);
    let lazy = instantiate(Naive::new(of(0.5).latest())).unwrap();
    let lazy = lazy.with_realizer("lazy", |_| -> Result<()> { Err("no".into()) });
    assert_eq!(
        store
            .realize(&lazy.or_failure())
            .unwrap()
            .unwrap_err()
            .to_string(),
        "stage `naive` failed: no"
    );
}

#[test]
fn a_failure_can_be_passed_on() {
    let (_folder, store) = scratch();
    let strict = |rate| instantiate(Strict::new(of(rate))).unwrap();
    let passed = store.realize(&strict(2.)).unwrap().unwrap_err();
    assert_eq!(passed.text(), "stage `trial` failed: it diverged at rate 2");
    assert!(store.realize(&strict(0.5)).unwrap().is_ok());
    // The build record of the failure contains its context and the choices.
    let trial = failure(&store, &of(2.));
    let record = store.realization(passed.id()).unwrap();
    assert!(record.context.realizations().eq([trial.id()]));
    let choice = &passed.builds()[0].choices[of(2.).id()];
    assert_eq!(
        (choice.matcher.as_str(), choice.from),
        ("latest() or a failure", 1)
    );
    // When the dependency succeeds, the context is another one.
    let better = of(2.).with_realizer("better", |b| -> Result<()> {
        let _ = (b.score.save(&9.)?, b.notes.save("good")?);
        Ok(())
    });
    assert!(
        store
            .realize(&instantiate(Strict::new(better)).unwrap())
            .unwrap()
            .is_ok()
    );
}

#[test]
fn texts_tell_causes_and_no_passing_places() {
    let (_folder, store) = scratch();
    let text =
        |label: &str, error: fn(&Build<Trial>) -> Box<dyn std::error::Error + Send + Sync>| {
            let plan = of(4.).with_realizer(label, move |b| -> Result<()> { Err(error(b)) });
            failure(&store, &plan).text().to_owned()
        };
    assert_eq!(
        text("place", |b| format!(
            "cannot read {}",
            b.path().join("x").display()
        )
        .into()),
        "cannot read out/x"
    );
    let own = text("own", |b| {
        match fs::create_dir(b.score.path()).map(|()| b.score.save(&1.)) {
            Ok(Err(error)) => error.into(),
            other => format!("{other:?}").into(),
        }
    });
    assert!(
        own.starts_with("cannot save artifact `score` of stage `trial` at out/score.json\n"),
        "{own}"
    );
    assert!(own.contains("caused by: "), "{own}");
    let parse = text("cause", |_| {
        io::Error::other("x".parse::<i32>().unwrap_err()).into()
    });
    assert!(parse.contains("invalid digit"), "{parse}");
    let long = text("long", |_| "é".repeat(100_000).into());
    assert!(long.len() < 70_000 && long.ends_with("more bytes were left out)"));
}

#[test]
fn failures_travel_as_other_results_do() {
    let (_folder, store) = scratch();
    let made = store.realize(&summary_of(&[2.])).unwrap();
    let failure = made.trials[0].clone().unwrap_err();
    let archive = store.root().with_extension("zip");
    store.pack([made.id(), failure.id()], &archive).unwrap();
    let (_other, other) = scratch();
    other.unpack(&archive).unwrap();
    let (_third, third) = scratch();
    third.copy_from(&store, [made.id()]).unwrap();
    for store in [&other, &third] {
        assert_eq!(store.realized(&summary_of(&[2.])).unwrap(), made);
        let there = store.realize(&of(2.)).unwrap().unwrap_err();
        assert_eq!(there.text(), "it diverged at rate 2");
        assert_eq!(fs::read_to_string(there.log().unwrap()).unwrap(), "try 0\n");
        assert!(store.check().run().unwrap().is_sound());
    }
    // The text is verified like any artifact.
    let text = other.realization_dir(failure.id()).join("out/failure.txt");
    fs::set_permissions(&text, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&text, "it diverged at rate 7\n").unwrap();
    fs::set_permissions(&text, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    assert!(!other.check().contents().run().unwrap().is_sound());
}

#[test]
fn failures_are_kept_and_collected_as_other_results_are() {
    let (_folder, store) = scratch();
    let made = store.realize(&summary_of(&[2.])).unwrap();
    failure(&store, &of(3.));
    let (_copy, store) = unused(&store);
    store.add_root("summary", made.id()).unwrap();
    store.gc().run().unwrap();
    let left = store.rrefs().unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.contains(made.trials[0].as_ref().unwrap_err().id()));
    assert!(names(&store.root().join("failed")).is_empty());
    // If the newest realizations of each derivation are kept, newer failures do not displace a success.
    let (_folder, store) = scratch();
    let good = store.realize(&of(0.5)).unwrap().unwrap();
    let newer = Realize::new(&store).force(of(0.5));
    assert!(newer.run(&failing("other code", 0.5)).unwrap().is_err());
    let (_copy, store) = unused(&store);
    store.gc().keep_newest(1).run().unwrap();
    assert_eq!(store.rrefs().unwrap(), [good.id().clone()]);
}

#[test]
fn typed_looks_at_what_is_in_a_store() {
    let (_folder, store) = scratch();
    let plan = summary_of(&[2., 0.5]);
    let read = instantiate(Reader::new(plan.text.clone())).unwrap();
    let read = store.realize(&read).unwrap();
    let made = store.realize(&plan).unwrap();
    let seen = store.realization_as::<Summary>(&made).unwrap();
    assert_eq!(
        seen.trials[0].as_ref().unwrap_err().text(),
        "it diverged at rate 2"
    );
    assert_eq!(seen.trials, made.trials);
    // A dependency that is known only by the path of its artifact may be a failure.
    assert_eq!(
        store
            .realization_as::<Reader>(&read)
            .unwrap()
            .text
            .load()
            .unwrap(),
        made.text.load().unwrap()
    );
    // A failure has no view as a success.
    let failure = made.trials[0].clone().unwrap_err();
    let error = error_of(store.realization_as::<Trial>(&failure));
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert_says(
        &error,
        &[
            "is the failure of a stage",
            "it diverged at rate 2",
            "help: `Realize::retry_failed`",
        ],
    );
    // It cannot be used where a success is required.
    let strict = store
        .realize(&instantiate(Strict::new(of(0.5))).unwrap())
        .unwrap()
        .unwrap();
    assert!(
        store
            .realization_as::<Naive>(&strict)
            .unwrap()
            .trial
            .score
            .load()
            .is_ok()
    );
    let json = instantiate(Strict::new(of(2.))).unwrap();
    let mut draft = store.plumbing().draft().unwrap();
    let context: Context = [failure.id().clone()].into_iter().collect();
    let record = BuildRecord::now(BuildKind::Build);
    let odd = draft
        .publish(json.config_json(), &context, Outcome::Ok, &record)
        .unwrap()
        .id;
    assert!(store.realization_as::<Strict>(&odd).unwrap().trial.is_err());
    assert_says(
        &error_of(store.realization_as::<Naive>(&odd)),
        &[
            "was made from a failure of",
            "help: use `DRef<_, Try<One>>`",
        ],
    );
    // A derivation that is restored from the store is realized as its stage declares.
    let again = store.derivation(of(2.).id()).unwrap();
    assert_eq!(
        store.realize(&again).unwrap()[0].failure().unwrap(),
        failure
    );
}

#[test]
fn a_failure_without_a_text() {
    let (_folder, store) = scratch();
    let plan = of(2.);
    let mut draft = store.plumbing().draft().unwrap();
    let record = BuildRecord::now(BuildKind::Build);
    let empty = Context::empty();
    draft
        .publish(plan.config_json(), &empty, Outcome::Failed, &record)
        .unwrap();
    let trusting = Realize::new(&store).trust_unknown();
    let failed = trusting.run(&plan).unwrap().unwrap_err();
    assert_eq!(failed.text(), "it left no error text");
    // The code that made it is unknown.
    assert_eq!(failure(&store, &plan).text(), "it diverged at rate 2");
}

/// Defines a stage that was fallible in an earlier version.
macro_rules! once_fallible {
    ($version:ident, [$($option:tt)*]) => {
        mod $version {
            use pylightnix::prelude::*;
            use std::marker::PhantomData;

            /// A stage that fails.
            #[derive(Config)]
            pub(crate) struct Fails<T: Send + Sync + 'static> {
                #[config(default, unhashed)]
                pub(crate) of: PhantomData<T>,
            }

            #[stage($($option)*)]
            fn fails<T: Send + Sync + 'static>(_: &Build<Fails<T>>) -> Result<()> {
                Err("it went wrong".into())
            }
        }
    };
}

once_fallible!(as_result, [fallible, version = 1]);
once_fallible!(as_error, [version = 1]);

#[test]
fn a_failure_that_is_no_result_any_more_is_why_a_stage_runs() {
    let (_folder, store) = scratch();
    let was = instantiate(as_result::Fails::<()>::new()).unwrap();
    assert!(store.realize(&was).unwrap().is_err());
    let is = instantiate(as_error::Fails::<()>::new()).unwrap();
    let plan = store.plan(&is).unwrap();
    assert!(plan.to_string().contains(": it failed before\n"), "{plan}");
}
