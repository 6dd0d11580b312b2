//! Hits, stages with exactly one realization: their results equal those of other stages, however late they are accessed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic, and an observer panics to be tested"
)]

use pylightnix::config::RRefId;
use pylightnix::prelude::{Result, *};
use pylightnix::realize::Event;
use pylightnix::{BoxError, ErrorKind};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tests::runs::{Told, assert_says, in_memory, scratch};

/// A stage that adds its dependencies and a number.
#[derive(Config)]
struct Sum {
    #[selfref("sum.txt")]
    sum: SelfRef<Text>,
    #[dref]
    of: Vec<DRef<Sum>>,
    number: u64,
}

#[stage]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let mut sum = b.number;
    for part in &b.of {
        sum += part.sum.load()?.parse::<u64>()?;
    }
    let sum = b.sum.save(&sum.to_string())?;
    Ok(SumOutputs { sum })
}

/// A nondeterministic stage.
#[derive(Config)]
struct Dice {
    #[selfref("sum.txt")]
    sum: SelfRef<Text>,
}

#[stage]
fn dice(b: &Build<Dice>) -> Result<DiceOutputs> {
    let sum = b.sum.save(&b.seed().to_string())?;
    Ok(DiceOutputs { sum })
}

/// A stage that depends on both.
#[derive(Config)]
struct After {
    #[selfref("sum.txt")]
    sum: SelfRef<Text>,
    #[dref]
    of: DRef<Sum>,
    #[dref]
    dice: DRef<Dice>,
}

#[stage]
fn after(b: &Build<After>) -> Result<AfterOutputs> {
    let sum = format!("{} {}", b.of.sum.load()?, b.dice.sum.load()?);
    let sum = b.sum.save(&sum)?;
    Ok(AfterOutputs { sum })
}

fn number(of: &[&DRef<Sum>], number: u64) -> DRef<Sum> {
    instantiate(Sum::new(of.iter().copied().cloned().collect(), number)).unwrap()
}

/// Returns a diamond: two stages with a shared dependency, and a stage after both.
fn diamond(last: u64) -> DRef<Sum> {
    let top = number(&[], 1);
    let (left, right) = (number(&[&top], 2), number(&[&top], 3));
    number(&[&left, &right], last)
}

/// Collects all direct and indirect dependencies through the lens.
fn below(rref: &RRef<Sum>) -> BTreeSet<(RRefId, String)> {
    let mut all = BTreeSet::new();
    let mut waiting = vec![rref.clone()];
    while let Some(rref) = waiting.pop() {
        all.insert((rref.id().clone(), rref.sum.load().unwrap()));
        let context: BTreeSet<RRefId> = rref.context().cloned().collect();
        let lens: BTreeSet<RRefId> = rref.of.iter().map(|dep| dep.id().clone()).collect();
        assert_eq!(context, lens);
        assert!(rref.path().is_dir());
        assert_eq!(rref.builds().len(), 1);
        assert!(rref.built_at().is_some());
        waiting.extend(rref.of.iter().cloned());
    }
    all
}

#[test]
fn what_is_found_is_what_was_built() {
    let (folder, store) = scratch();
    let plan = diamond(4);
    let built = store.realize(&plan).unwrap();
    let found = store.realize(&plan).unwrap();
    assert_eq!(found, built);
    assert_eq!(below(&found), below(&built));
    assert_eq!(below(&found).len(), 4);
    // All accesses share one value.
    assert!(std::ptr::eq(
        found.of[0].of[0].path(),
        found.of[1].of[0].path()
    ));
    // The results need neither the plan nor the store handle.
    drop((plan, store));
    assert_eq!(found.of[0].of[0], found.of[1].of[0]);
    assert_eq!(found.of[1].of[0].sum.load().unwrap(), "1");
    // An artifact that was removed in the meantime is an error on loading.
    fs::rename(found.of[0].path(), folder.path().join("away")).unwrap();
    let gone = found.of[0].sum.load().unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Artifact, "{gone:?}");
}

#[test]
fn what_is_built_from_what_is_found_sees_it() {
    let (_folder, store) = scratch();
    store.realize(&diamond(4)).unwrap();
    let (rref, report) = Realize::new(&store).run_reporting(&diamond(5)).unwrap();
    assert_eq!((report.reused, report.built), (3, 1));
    assert_eq!(rref.sum.load().unwrap(), (5 + 3 + 4).to_string());
    assert_eq!(below(&rref).len(), 4);
    // The build record contains the matcher's choice.
    let took: Vec<_> = rref.builds()[0].choices.values().collect();
    assert_eq!(took.len(), 2);
    assert!(took.iter().all(|choice| choice.matcher == "latest()"));
    let names: BTreeSet<_> = took.iter().flat_map(|choice| &choice.took).collect();
    assert_eq!(names, rref.of.iter().map(|dep| dep.id()).collect());
}

#[test]
fn where_there_is_a_rival_the_matcher_chooses() {
    let (_folder, store) = scratch();
    let dice = instantiate(Dice::new()).unwrap();
    let plan = instantiate(After::new(number(&[], 1), dice.clone())).unwrap();
    let first = store.realize(&plan).unwrap();
    // The second realization is newer, so its consumer is rebuilt, and the first result stays.
    let newer = Realize::new(&store).force(&dice).run(&dice).unwrap();
    assert_ne!(newer, first.dice);
    let (second, report) = Realize::new(&store).run_reporting(&plan).unwrap();
    assert_eq!((report.reused, report.built), (2, 1));
    assert_eq!((&second.dice, second.of.id()), (&newer, first.of.id()));
    // Each context has one realization now, and that of the newer choice is taken.
    assert_eq!(store.realize(&plan).unwrap(), second);
    assert_eq!(
        store.realize(&plan).unwrap().sum.load().unwrap(),
        format!("1 {}", newer.sum.load().unwrap())
    );
}

#[test]
fn observers_are_told_of_each() {
    let (_folder, store) = scratch();
    let plan = diamond(4);
    let told = Told::default();
    Realize::new(&store).observer(&told).run(&plan).unwrap();
    assert_eq!(told.of("chosen"), vec!["chosen sum 1 built"; 4]);
    told.clear();
    Realize::new(&store).observer(&told).run(&plan).unwrap();
    assert_eq!(told.of("chosen"), vec!["chosen sum 1 there"; 4]);
    assert_eq!(told.of("building"), Vec::<String>::new());
}

#[test]
fn who_cannot_be_told_stops_what_comes_after() {
    let (_folder, store) = scratch();
    let first = number(&[], 1);
    let second = number(&[&first], 2);
    store.realize(&first).unwrap();
    let panics = |event: &Event<'_>| match event {
        Event::Chosen { dref, .. } if *dref == first.id() => panic!("no"),
        _ => {}
    };
    let run = Realize::new(&store).keep_going().observer(panics);
    let error = run.run(&second).unwrap_err();
    assert_says(&error, &["an observer of the run failed"]);
    assert_eq!(store.rrefs_of(second.id()).unwrap(), []);
}

/// A matcher that counts its calls, and takes the first candidate.
struct Asked(Arc<AtomicUsize>);

impl Matcher<Dice> for Asked {
    type Card = One;

    fn select(&self, candidates: &[RRef<Dice>]) -> Result<Choice<Dice>, BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(candidates.first().cloned().into())
    }
}

#[test]
fn a_matcher_of_the_program_is_always_asked() {
    let (_folder, store) = scratch();
    let asked = Arc::new(AtomicUsize::new(0));
    let dice = instantiate(Dice::new()).unwrap();
    let rref = store.realize(&dice).unwrap();
    let given = dice.with_matcher(Asked(asked.clone()));
    for times in 1..3 {
        assert_eq!(store.realize(&given).unwrap(), rref);
        assert_eq!(asked.load(Relaxed), times);
    }
}

/// How often the expression of the stage's matcher was evaluated.
static MADE: AtomicUsize = AtomicUsize::new(0);

fn newest() -> matcher::LatestN {
    MADE.fetch_add(1, Relaxed);
    matcher::latest_n(1)
}

#[derive(Config)]
struct Made {
    number: u32,
}

#[stage(many, matcher = newest())]
fn made(_: &Build<Made>) -> Result<()> {
    Ok(())
}

#[test]
fn the_matcher_of_a_stage_is_made_once() {
    let (_folder, store) = scratch();
    for number in [0, 1, 0] {
        let made = instantiate(Made::new(number)).unwrap();
        assert_eq!(store.realize(&made).unwrap().len(), 1);
    }
    assert_eq!(MADE.load(Relaxed), 1);
}

#[test]
fn a_long_chain_is_looked_into_and_dropped() {
    let (_folder, store) = in_memory();
    let mut last = number(&[], 0);
    let count = 10_000;
    for at in 1..count {
        last = number(&[&last], at);
    }
    store.realize(&last).unwrap();
    let found = store.realize(&last).unwrap();
    drop(last);
    let mut steps = 1;
    let mut rref = found.clone();
    while let Some(next) = rref.of.first().cloned() {
        rref = next;
        steps += 1;
    }
    assert_eq!(steps, count);
    assert_eq!(rref.sum.load().unwrap(), "0");
    // This value owns the whole chain.
    drop(found);
    drop(rref);
}
