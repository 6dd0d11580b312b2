//! The choices of matchers, and their errors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where, and a matcher may panic"
)]

use proptest::prelude::*;
use pylightnix::config::RRefId;
use pylightnix::lens::{Many, One};
use pylightnix::plan::Target;
use pylightnix::plan::matcher::{Ordered, all, exact, latest, only, pick, pick_many};
use pylightnix::prelude::*;
use pylightnix::realize::Action;
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
use pylightnix::{BoxError, Error, ErrorKind};
use std::cmp::Reverse;
use tests::runs::{Told, assert_says, scratch};

/// A stage with a score, which may differ between runs.
#[derive(Config)]
struct Trial {
    #[selfref("score.txt")]
    score: SelfRef<Text>,
    seed: u64,
}

#[stage]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    let score = b.score.save(&(1000 + b.index()).to_string())?;
    Ok(TrialOutputs { score })
}

/// A deterministic stage.
#[derive(Config)]
struct Constant {
    #[selfref("score.txt")]
    score: SelfRef<Text>,
}

#[stage]
fn constant(b: &Build<Constant>) -> Result<ConstantOutputs> {
    let score = b.score.save("1")?;
    Ok(ConstantOutputs { score })
}

/// A long-running dependency of a trial.
#[derive(Config)]
struct After {
    #[selfref("after.txt")]
    after: SelfRef<Text>,
    #[dref]
    on: DRef<Constant>,
}

#[stage]
fn after(b: &Build<After>) -> Result<AfterOutputs> {
    let after = b.after.save(&b.on.score.load()?)?;
    Ok(AfterOutputs { after })
}

fn seeded(seed: u64) -> DRef<Trial> {
    instantiate(Trial::new(seed)).unwrap()
}

fn score(run: &RRef<Trial>) -> Result<f64> {
    Ok(run.score.load()?.parse()?)
}

/// Publishes a realization with a record of this kind that ended at this minute.
fn put(store: &Store, of: &DRef<Trial>, score: &str, kind: BuildKind, minute: u8) -> RRefId {
    let mut build = BuildRecord::now(kind);
    build.start = "2026-01-01T00:00:00Z".parse().unwrap();
    build.stop = format!("2026-01-01T00:{minute:02}:00Z").parse().unwrap();
    let mut draft = store.plumbing().draft().unwrap();
    std::fs::write(draft.out().join("score.txt"), score).unwrap();
    let json = of.config_json();
    let published = draft.publish(json, &Context::empty(), Outcome::Ok, &build);
    published.unwrap().id
}

fn put_all(store: &Store, of: &DRef<Trial>, scores: &[&str]) -> Vec<RRefId> {
    let put = |score: &&str| put(store, of, score, BuildKind::Build, 0);
    scores.iter().map(put).collect()
}

/// Returns the choice among existing realizations, without a run.
#[track_caller]
fn chosen<T: Target>(store: &Store, target: &T) -> T::Output {
    let told = Told::default();
    let run = Realize::new(store).trust_unknown().observer(&told);
    let chosen = run.run(target).unwrap();
    assert!(told.of("started").is_empty(), "{:?}", told.lines());
    chosen
}

/// Realizes a target, and returns the result with the indices of the runs.
#[track_caller]
fn built<T: Target>(store: &Store, target: &T) -> (T::Output, Vec<String>) {
    let told = Told::default();
    let run = Realize::new(store).trust_unknown().observer(&told).jobs(1);
    let chosen = run.run(target).unwrap();
    let started = told.of("started").into_iter();
    let indices = started.filter_map(|line| line.split_once('#').map(|(_, index)| index.into()));
    (chosen, indices.collect())
}

/// Returns the error of realizing a target, with the stages that began.
#[track_caller]
fn fails<T: Target>(store: &Store, target: &T) -> (Error, Vec<String>) {
    let told = Told::default();
    let run = Realize::new(store).trust_unknown().observer(&told);
    let Err(error) = run.run(target) else {
        panic!("it was realized")
    };
    (error, told.of("started"))
}

fn scores(runs: &[RRef<Trial>]) -> Vec<String> {
    assert!(runs.is_sorted(), "many come in the order of references");
    let mut scores: Vec<_> = runs.iter().map(|run| run.score.load().unwrap()).collect();
    scores.sort_by(|one, two| one.parse::<f64>().unwrap().total_cmp(&two.parse().unwrap()));
    scores
}

#[test]
fn only_takes_the_one_that_there_is() {
    let (_folder, store) = scratch();
    let plan = seeded(1).only();
    let (first, runs) = built(&store, &plan);
    assert_eq!(runs, ["0"]);
    assert_eq!(chosen(&store, &plan), first);
    let other = put(&store, &plan, "2", BuildKind::Build, 0);
    let (error, runs) = fails(&store, &plan);
    assert!(runs.is_empty());
    assert_eq!(error.kind(), ErrorKind::Matcher);
    let (first, other) = (first.to_string(), other.to_string());
    assert_says(
        &error,
        &[
            "stage `trial`",
            "`only()` found 2 different results",
            "latest()",
            &first,
            &other,
        ],
    );
    assert_says(&error, &[&plan.to_string()]);
}

#[test]
fn a_build_from_the_future_is_not_the_latest() {
    let (_folder, store) = scratch();
    let plan = seeded(1).latest();
    const FIVE_MINUTES: std::time::Duration = std::time::Duration::from_secs(300);
    let timed = |text: &str, hours: u64| {
        let rref = put(&store, &plan, text, BuildKind::Import, 0);
        let mut record = BuildRecord::now(BuildKind::Build);
        record.stop = record.start + std::time::Duration::from_secs(hours * 3600) - FIVE_MINUTES;
        record.start = record.stop;
        store.plumbing().add_build(&rref, &record, None).unwrap();
        rref
    };
    let old = timed("0", 0);
    let _wrong = timed("1", 50_000);
    assert_eq!(*chosen(&store, &plan).id(), old);
    // The clocks of machines differ slightly.
    let soon = timed("2", 1);
    assert_eq!(*chosen(&store, &plan).id(), soon);
}

#[test]
fn latest_takes_the_newest_build() {
    let (_folder, store) = scratch();
    let plan = seeded(1).latest();
    // Without a build: acceptances and imports do not count, whatever their times are.
    let imported = put(&store, &plan, "0", BuildKind::Import, 50);
    let accepted = put(&store, &plan, "1", BuildKind::Accept, 59);
    let least = imported.clone().min(accepted.clone());
    assert_eq!(*chosen(&store, &plan).id(), least, "then by reference");
    let old = put(&store, &plan, "2", BuildKind::Build, 10);
    assert_eq!(*chosen(&store, &plan).id(), old);
    let new = put(&store, &plan, "3", BuildKind::Build, 20);
    assert_eq!(*chosen(&store, &plan).id(), new);
    let record = |kind, minute| {
        let mut record = BuildRecord::now(kind);
        record.start = "2026-01-01T00:00:00Z".parse().unwrap();
        record.stop = format!("2026-01-01T00:{minute}:00Z").parse().unwrap();
        record
    };
    // An acceptance and an import of the old one change nothing; another build of it does.
    for kind in [BuildKind::Accept, BuildKind::Import] {
        store
            .plumbing()
            .add_build(&old, &record(kind, 40), None)
            .unwrap();
        assert_eq!(*chosen(&store, &plan).id(), new);
    }
    let again = record(BuildKind::Build, 30);
    store.plumbing().add_build(&old, &again, None).unwrap();
    assert_eq!(*chosen(&store, &plan).id(), old);
    // Equally new: the reference decides.
    let again = record(BuildKind::Build, 30);
    store.plumbing().add_build(&new, &again, None).unwrap();
    assert_eq!(*chosen(&store, &plan).id(), old.clone().min(new.clone()));
    // Several: the newest first, those without a build last.
    let two = chosen(&store, &plan.clone().latest_n(2));
    let mut those = [old.clone(), new.clone()];
    those.sort();
    assert_eq!(
        two.iter().map(|run| run.id()).collect::<Vec<_>>(),
        those.iter().collect::<Vec<_>>()
    );
    let three = chosen(&store, &plan.clone().latest_n(3));
    assert!(three.iter().any(|run| *run.id() == least));
    // The default matcher of a stage is `latest`.
    assert_eq!(*chosen(&store, &seeded(1)).id(), old.min(new));
}

#[test]
fn keys_choose_the_lowest_and_the_highest() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    put_all(
        &store,
        &plan,
        &["3", "-inf", "0.5", "-0.0", "0.0", "inf", "7"],
    );
    let value = |run: RRef<Trial>| run.score.load().unwrap();
    assert_eq!(value(chosen(&store, &plan.clone().lowest(score))), "-inf");
    assert_eq!(value(chosen(&store, &plan.clone().highest(score))), "inf");
    let many = |runs: Vec<RRef<Trial>>| scores(&runs);
    let lowest = plan.clone().lowest_n(2, score);
    assert_eq!(
        many(chosen(&store, &lowest)),
        ["-inf", "-0.0"],
        "-0.0 is below 0.0"
    );
    let highest = plan.clone().highest_n(3, score);
    assert_eq!(many(chosen(&store, &highest)), ["3", "7", "inf"]);
    // Keys of other types than floats.
    let by = |plan: DRef<Trial>| value(chosen(&store, &plan));
    let lowest = |run: &RRef<Trial>| Ok(run.score.load()?.parse::<f64>()?.abs());
    assert!(["-0.0", "0.0"].contains(&by(plan.clone().lowest(lowest)).as_str()));
    assert_eq!(
        by(plan.clone().lowest(|run| Ok(run.score.load()?))),
        "-0.0",
        "texts"
    );
    assert_eq!(
        by(plan.clone().highest(|run| Ok(Reverse(score(run)?)))),
        "-inf"
    );
    assert_eq!(
        by(plan.clone().lowest(|run| Ok((run.seed, score(run)?)))),
        "-inf"
    );
    let length = |run: &RRef<Trial>| Ok((Ordered(run.score.load()?.len()), score(run)?));
    assert_eq!(by(plan.clone().lowest(length)), "3");
    assert_eq!(
        by(plan.clone().highest(length)),
        "-0.0",
        "-inf and -0.0 are the longest"
    );
    assert_eq!(
        by(plan.clone().highest(|run| Ok(score(run)? as f32))),
        "inf"
    );
    let whole = |run: &RRef<Trial>| Ok(run.score.load()?.parse::<u8>().ok());
    assert_eq!(
        by(plan.clone().lowest(whole)),
        "3",
        "`None` is never chosen"
    );
    assert_eq!(by(plan.clone().highest(whole)), "7");
    let small = |run: &RRef<Trial>| Ok(score(run)? < 1.);
    assert!(
        ["3", "7", "inf"].contains(&by(plan.clone().lowest(small)).as_str()),
        "no is below yes"
    );
}

#[test]
fn ties_are_broken_by_reference() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    let mut ids = put_all(&store, &plan, &["1", "1.0", "1.00", "01", "001"]);
    ids.sort();
    assert_eq!(chosen(&store, &plan.clone().lowest(score)).id(), &ids[0]);
    assert_eq!(chosen(&store, &plan.clone().highest(score)).id(), &ids[0]);
    let of = |plan: DRef<Trial, Many>| {
        let chosen = chosen(&store, &plan);
        chosen
            .iter()
            .map(|run| run.id().clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(plan.clone().lowest_n(3, score)), ids[..3]);
    assert_eq!(of(plan.clone().highest_n(3, score)), ids[..3]);
    assert_eq!(of(plan.clone().latest_n(3)), ids[..3]);
    assert_eq!(of(plan.clone().with_matcher(matcher::some(2))), ids[..2]);
    assert_eq!(of(plan.clone().with_matcher(all())), ids);
}

#[test]
fn nan_is_never_chosen() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    put_all(&store, &plan, &["NaN", "5", "nan", "-nan", "6"]);
    let value = |run: RRef<Trial>| run.score.load().unwrap();
    assert_eq!(value(chosen(&store, &plan.clone().lowest(score))), "5");
    assert_eq!(value(chosen(&store, &plan.clone().highest(score))), "6");
    let pair = |run: &RRef<Trial>| Ok((score(run)?, 1_u8));
    assert_eq!(value(chosen(&store, &plan.clone().highest(pair))), "6");
    let maybe = |run: &RRef<Trial>| Ok(Some(Reverse(score(run)?)));
    assert_eq!(value(chosen(&store, &plan.clone().highest(maybe))), "5");
    // It does not count among several either: the third one is built.
    let (three, runs) = built(&store, &plan.clone().lowest_n(3, score));
    assert_eq!(runs, ["5"], "counted on from the 5 there are");
    assert_eq!(scores(&three), ["5", "6", "1005"]);
    // Not even after a build.
    let hopeless = seeded(2).lowest(|_| Ok(f64::NAN));
    let (error, runs) = fails(&store, &hopeless);
    assert_eq!(runs.len(), 1, "it is not tried for ever");
    assert_eq!(error.kind(), ErrorKind::Matcher);
    let what = ["stage `trial` gave 1 new result in 1 run, and its matcher still wants 1 more"];
    assert_says(&error, &what);
    assert_says(
        &error,
        &["a key that is NaN", "choose with another matcher"],
    );
    assert!(!format!("{error:?}").contains("equal results"), "{error:?}");
}

#[test]
fn many_take_what_is_there_and_build_what_is_missing() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    let (all_of, runs) = built(&store, &plan.clone().with_matcher(all()));
    assert_eq!((all_of.len(), runs), (1, vec!["0".to_owned()]));
    let (three, runs) = built(&store, &plan.clone().with_matcher(matcher::some(3)));
    assert_eq!(runs, ["1", "2"], "indices go on");
    assert_eq!(scores(&three), ["1000", "1001", "1002"]);
    assert_eq!(
        chosen(&store, &plan.clone().with_matcher(matcher::some(2))),
        three[..2]
    );
    assert_eq!(chosen(&store, &plan.clone().with_matcher(all())), three);
    let (five, runs) = built(&store, &plan.clone().lowest_n(5, score));
    assert_eq!(runs, ["3", "4"]);
    assert_eq!(scores(&five)[4], "1004");
    let (six, runs) = built(&store, &plan.clone().latest_n(6));
    assert_eq!((six.len(), runs), (6, vec!["5".to_owned()]));
    let (seven, runs) = built(&store, &plan.clone().highest_n(7, score));
    assert_eq!((seven.len(), runs), (7, vec!["6".to_owned()]));
    for none in [
        plan.clone().with_matcher(matcher::some(0)),
        plan.clone().latest_n(0),
        plan.clone().lowest_n(0, score),
    ] {
        let (error, runs) = fails(&store, &none);
        assert!(runs.is_empty());
        assert_says(
            &error,
            &[
                "`trial` cannot be realized",
                "0 realizations were requested: request at least 1",
            ],
        );
    }
}

#[test]
fn equal_results_that_leave_too_few() {
    let (_folder, store) = scratch();
    let plan = instantiate(Constant::new())
        .unwrap()
        .with_matcher(matcher::some(3));
    let (error, runs) = fails(&store, &plan);
    assert_eq!(runs.len(), 3);
    assert_eq!(error.kind(), ErrorKind::Matcher);
    let there = store.rrefs_of(plan.id()).unwrap();
    assert_eq!(there.len(), 1, "what was made stays");
    assert_eq!(
        error.to_string(),
        "stage `constant` gave 1 new result in 3 runs, and its matcher still wants 2 more"
    );
    assert_says(
        &error,
        &[
            "equal results are one realization",
            "`b.index()`",
            "ask for fewer",
            &plan.to_string(),
            &there[0].to_string(),
        ],
    );
}

#[test]
fn exact_takes_that_one() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    let ids = put_all(&store, &plan, &["1", "2", "3"]);
    for id in &ids {
        let one = chosen(&store, &plan.clone().with_matcher(exact(id)));
        assert_eq!(one.id(), id);
        let again = chosen(&store, &plan.clone().with_matcher(exact(&one)));
        assert_eq!(again, one, "a realization stands for its reference");
    }
    let mut two = vec![ids[2].clone(), ids[0].clone()];
    let many = chosen(
        &store,
        &plan
            .clone()
            .with_matcher(matcher::exact_many([&two[0], &two[1], &two[0]])),
    );
    two.sort();
    assert_eq!(
        many.iter().map(|run| run.id().clone()).collect::<Vec<_>>(),
        two
    );
    let none: [RRefId; 0] = [];
    let (error, _) = fails(
        &store,
        &plan.clone().with_matcher(matcher::exact_many(none)),
    );
    assert_says(&error, &["`exact_many` was given no reference"]);
}

/// Like [`exact_takes_that_one`], for a realization that is not available: nothing runs, not even its dependencies.
#[test]
fn exact_of_what_is_not_there_fails_at_once() {
    let (_folder, store) = scratch();
    let (_elsewhere, other) = scratch();
    let before = instantiate(Constant::new()).unwrap();
    let plan = instantiate(After::new(before.clone())).unwrap();
    let there = other.realize(&plan).unwrap();
    let target = (
        seeded(1),
        plan.clone().with_matcher(exact(&there)),
        seeded(2),
    );
    let (error, runs) = fails(&store, &target);
    assert!(runs.is_empty(), "{runs:?}");
    assert!(store.rrefs().unwrap().is_empty());
    assert_eq!(error.kind(), ErrorKind::Matcher);
    let root = store.root().display().to_string();
    assert_says(
        &error,
        &[
            "stage `after` cannot be realized",
            &there.to_string(),
            &format!("is not in the store at {root}"),
            "unpack it into this store",
            "(none)",
        ],
    );
    // The dry run reports the same, without waiting for dependencies.
    let dry = Realize::new(&store).plan(&target).unwrap();
    let Action::Fails(why) = &dry.step(&plan).unwrap().action else {
        panic!("{dry}")
    };
    assert!(why.contains("unpack it into this store"), "{why}");
    // With `keep_going`, independent stages continue.
    let told = Told::default();
    let going = Realize::new(&store).keep_going().observer(&told);
    assert!(going.run(&target).is_err());
    assert_eq!(told.of("published").len(), 3, "{:?}", told.lines());
    // The error names the existing realizations.
    let mine = store.realize(&plan).unwrap();
    let far = other.realize(&plan.clone().with_realizer("far", |b| {
        b.after.save("far").map(|after| AfterOutputs { after })
    }));
    let (error, _) = fails(&store, &plan.clone().with_matcher(exact(far.unwrap())));
    assert_says(&error, &[&mine.to_string()]);
    // `exact_many` fails if any of them is missing.
    let some = seeded(1).with_matcher(matcher::exact_many([
        store.realize(&seeded(1)).unwrap().id(),
        there.id(),
    ]));
    let (error, runs) = fails(&store, &some);
    assert!(runs.is_empty());
    assert_says(
        &error,
        &[&there.to_string(), "which is of another derivation"],
    );
    // With a filter, the requirement is the same.
    let filtered = exact(&there).filter(|_: &RRef<After>| Ok(true));
    let (empty, _) = (scratch(), ());
    let (error, runs) = fails(&empty.1, &plan.clone().with_matcher(filtered));
    assert!(runs.is_empty());
    assert_says(&error, &["unpack it into this store"]);
    // A stale realization counts as missing, and the error says so.
    let changed = plan.with_realizer("changed", |b| {
        b.after.save("0").map(|after| AfterOutputs { after })
    });
    let (error, runs) = fails(&store, &changed.with_matcher(exact(&mine)));
    assert!(runs.is_empty());
    assert_says(
        &error,
        &[
            &mine.to_string(),
            "is stale (its code changed)",
            "accept it",
        ],
    );
}

#[test]
fn filters_pass_over_candidates() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    let ids = put_all(&store, &plan, &["1", "2", "3", "4"]);
    let even = |run: &RRef<Trial>| Ok(score(run)? % 2. == 0.);
    let value = |run: RRef<Trial>| run.score.load().unwrap();
    let lowest = plan
        .clone()
        .with_matcher(matcher::lowest(score).filter(even));
    assert_eq!(value(chosen(&store, &lowest)), "2");
    let both = plan.clone().with_matcher(all().filter(even));
    assert_eq!(scores(&chosen(&store, &both)), ["2", "4"]);
    let twice = all()
        .filter(even)
        .filter(|run: &RRef<Trial>| Ok(score(run)? > 2.));
    assert_eq!(
        scores(&chosen(&store, &plan.clone().with_matcher(twice))),
        ["4"]
    );
    let one = only().filter(|run: &RRef<Trial>| Ok(score(run)? == 3.));
    assert_eq!(value(chosen(&store, &plan.clone().with_matcher(one))), "3");
    // Realizations that the filter skips still count as runs: the new run has the next index.
    let large = latest().filter(|run: &RRef<Trial>| Ok(score(run)? > 1000.));
    let (large, runs) = built(&store, &plan.clone().with_matcher(large));
    assert_eq!(
        (value(large).as_str(), runs),
        ("1004", vec!["4".to_owned()])
    );
    let (error, runs) = fails(
        &store,
        &plan
            .clone()
            .with_matcher(latest().filter(|_: &RRef<Trial>| Ok(false))),
    );
    assert_eq!(runs.len(), 1);
    assert_says(
        &error,
        &[
            "gave 1 new result in 1 run",
            "a filter",
            &ids[0].to_string(),
        ],
    );
    let broken = latest().filter(|_: &RRef<Trial>| Err("no opinion".into()));
    let (error, runs) = fails(&store, &plan.with_matcher(broken));
    assert!(runs.is_empty());
    assert_says(
        &error,
        &["the matcher of stage `trial` failed", "no opinion"],
    );
}

#[test]
fn functions_pick_in_many_ways() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    put_all(&store, &plan, &["1", "2", "3"]);
    let value = |plan: DRef<Trial>| chosen(&store, &plan).score.load().unwrap();
    // The function receives all candidates, sorted by reference.
    let sorted = pick(|runs: &[RRef<Trial>]| {
        assert!(runs.is_sorted() && runs.len() == 3);
        Ok(runs[0].clone())
    });
    let first = plan.clone().with_matcher(sorted);
    assert_eq!(
        *chosen(&store, &first).id(),
        store.rrefs_of(plan.id()).unwrap()[0]
    );
    let two = |runs: &[RRef<Trial>]| {
        let two = runs
            .iter()
            .find(|run| score(run).is_ok_and(|score| score == 2.));
        Ok(two.cloned())
    };
    assert_eq!(value(plan.clone().with_matcher(pick(two))), "2");
    let take =
        pick(|runs: &[RRef<Trial>]| Ok(Choice::Take(vec![runs[0].clone(), runs[0].clone()])));
    chosen(&store, &plan.clone().with_matcher(take));
    let rest = pick_many(|runs: &[RRef<Trial>]| Ok(runs[1..].to_vec()));
    assert_eq!(chosen(&store, &plan.clone().with_matcher(rest)).len(), 2);
    // In any order, and with a duplicate.
    let mixed = pick_many(|runs: &[RRef<Trial>]| {
        Ok(vec![runs[2].clone(), runs[0].clone(), runs[2].clone()])
    });
    let mixed = chosen(&store, &plan.clone().with_matcher(mixed));
    assert!(mixed.len() == 2 && mixed.is_sorted());
    // The function can request more runs.
    let none = pick(|runs: &[RRef<Trial>]| Ok(runs.get(3).cloned()));
    let (_, runs) = built(&store, &plan.clone().with_matcher(none));
    assert_eq!(runs, ["3"]);
    let empty =
        pick_many(|runs: &[RRef<Trial>]| Ok(runs.iter().skip(4).cloned().collect::<Vec<_>>()));
    let (_, runs) = built(&store, &plan.clone().with_matcher(empty));
    assert_eq!(runs, ["4"]);
    let more = pick_many(|runs: &[RRef<Trial>]| {
        Ok(match runs.len() {
            5 => Choice::Build(2),
            _ => Choice::Take(runs.to_vec()),
        })
    });
    let (all, runs) = built(&store, &plan.clone().with_matcher(more));
    assert_eq!((all.len(), runs.len()), (7, 2));

    let never = pick(|_: &[RRef<Trial>]| Ok(Choice::Never("it rains".to_owned())));
    let (error, _) = fails(&store, &plan.clone().with_matcher(never));
    assert_eq!(
        error.to_string(),
        "stage `trial` cannot be realized: it rains"
    );
    assert_says(&error, &[&plan.to_string()]);
    let nothing = pick(|_: &[RRef<Trial>]| Ok(Choice::Build(0)));
    let (error, runs) = fails(&store, &plan.clone().with_matcher(nothing));
    assert!(runs.is_empty());
    assert_says(&error, &["its matcher asked for 0 more"]);
    let no_one = pick(|_: &[RRef<Trial>]| Ok(Choice::Take(vec![])));
    let (error, _) = fails(&store, &plan.clone().with_matcher(no_one));
    assert_says(
        &error,
        &[
            "the matcher of stage `trial` failed",
            "chose 0 realizations",
        ],
    );
    let several = pick(|runs: &[RRef<Trial>]| Ok(Choice::Take(runs.to_vec())));
    let (error, _) = fails(&store, &plan.with_matcher(several));
    assert_says(&error, &["chose 7 realizations"]);
}

#[test]
fn foreign_realizations_are_refused() {
    let (_folder, store) = scratch();
    let foreign = store.realize(&seeded(2)).unwrap();
    let id = foreign.to_string();
    let taken = pick(move |_: &[RRef<Trial>]| Ok(foreign.clone()));
    let (error, runs) = fails(&store, &seeded(1).with_matcher(taken));
    assert!(runs.is_empty());
    assert_eq!(error.kind(), ErrorKind::Matcher);
    assert_says(
        &error,
        &[
            "the matcher of stage `trial` failed",
            &id,
            "is not a candidate",
        ],
    );
    // A stale realization of the same derivation cannot be chosen either.
    let stale = store.realize(&seeded(3)).unwrap();
    let changed = seeded(3).with_realizer("changed", |b| {
        b.score.save("0").map(|score| TrialOutputs { score })
    });
    let taken = pick(move |_: &[RRef<Trial>]| Ok(stale.clone()));
    let (error, _) = fails(&store, &changed.with_matcher(taken));
    assert_says(&error, &["is not a candidate"]);
}

#[test]
fn matchers_that_fail_and_panic_are_contained() {
    let (_folder, store) = scratch();
    let plan = seeded(1);
    let ids = put_all(&store, &plan, &["1", "none"]);
    let (error, runs) = fails(&store, &plan.clone().lowest(score));
    assert!(runs.is_empty());
    assert_eq!(error.kind(), ErrorKind::Matcher);
    // The error names the matcher of the key, and the cause.
    assert_says(
        &error,
        &[
            "the matcher of stage `trial` failed",
            &ids[1].to_string(),
            "invalid float literal",
            &plan.to_string(),
        ],
    );
    let panics = pick(|runs: &[RRef<Trial>]| -> Result<RRef<Trial>> {
        panic!("{} are too many", runs.len())
    });
    let panics = plan.clone().with_matcher(panics);
    let (error, _) = fails(&store, &panics);
    assert_says(
        &error,
        &[
            "the matcher of stage `trial` failed",
            "it panicked: 2 are too many",
        ],
    );
    // A dry run reports it too, and continues.
    let dry = Realize::new(&store).trust_unknown();
    let dry = dry.plan(&(panics, instantiate(Constant::new()).unwrap()));
    let dry = dry.unwrap();
    assert_eq!(dry.steps.len(), 2);
    assert!(dry.to_string().contains("2 are too many"), "{dry}");
    assert!(!dry.is_done());
}

/// A user-defined matcher: the shortest score.
struct Shortest;

impl Matcher<Trial> for Shortest {
    type Card = One;

    fn select(&self, candidates: &[RRef<Trial>]) -> Result<Choice<Trial>, BoxError> {
        let mut best: Option<(usize, &RRef<Trial>)> = None;
        for run in candidates {
            let length = run.score.load()?.len();
            if best.is_none_or(|(least, _)| length < least) {
                best = Some((length, run));
            }
        }
        Ok(best.map(|(_, run)| run.clone()).into())
    }
}

#[test]
fn matchers_of_ones_own() {
    let (_folder, store) = scratch();
    let plan = seeded(1).with_matcher(Shortest);
    let (built, _) = built(&store, &plan);
    assert_eq!(built.score.load().unwrap(), "1000");
    put_all(&store, &plan, &["333", "22", "4444"]);
    assert_eq!(chosen(&store, &plan).score.load().unwrap(), "22");
    let filtered = seeded(1).with_matcher(Shortest.filter(|run| Ok(score(run)? > 22.)));
    assert_eq!(chosen(&store, &filtered).score.load().unwrap(), "333");
}

/// Returns the choices of every matcher in this store.
fn all_choices(store: &Store) -> Vec<Vec<RRefId>> {
    let plan = seeded(1);
    let one = |plan: DRef<Trial>| vec![chosen(store, &plan).id().clone()];
    let many = |plan: DRef<Trial, Many>| {
        let chosen = chosen(store, &plan);
        chosen
            .iter()
            .map(|run| run.id().clone())
            .collect::<Vec<_>>()
    };
    let tenths = |run: &RRef<Trial>| Ok((score(run)? / 10.).floor());
    vec![
        one(plan.clone().latest()),
        one(plan.clone().lowest(tenths)),
        one(plan.clone().highest(tenths)),
        one(plan
            .clone()
            .with_matcher(latest().filter(|run: &RRef<Trial>| Ok(score(run)? >= 0.)))),
        many(plan.clone().with_matcher(all())),
        many(plan.clone().with_matcher(matcher::some(2))),
        many(plan.clone().latest_n(2)),
        many(plan.clone().lowest_n(2, tenths)),
        many(plan.clone().highest_n(2, tenths)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Equal realizations and build records give equal choices, whatever the order of publication.
    #[test]
    fn the_order_of_making_does_not_matter(
        made in prop::collection::btree_map(0_u8..40, (0_u8..4, 0_u8..3), 2..8),
        turn in any::<prop::sample::Index>(),
        backwards: bool,
    ) {
        let plan = seeded(1);
        let mut made: Vec<_> = made.into_iter().collect();
        let mut choices = Vec::new();
        for _ in 0..2 {
            let (_folder, store) = scratch();
            for (score, (minute, kind)) in &made {
                let kind = [BuildKind::Build, BuildKind::Import, BuildKind::Accept][usize::from(*kind)];
                put(&store, &plan, &score.to_string(), kind, *minute);
            }
            choices.push(all_choices(&store));
            let turn = turn.index(made.len());
            made.rotate_left(turn);
            if backwards || turn == 0 {
                made.reverse();
            }
        }
        prop_assert_eq!(&choices[0], &choices[1]);
    }
}
