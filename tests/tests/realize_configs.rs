//! A stage sees its config, and those of its dependencies, as their references identify them.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::ErrorKind;
use pylightnix::lens::Plain;
use pylightnix::prelude::*;
use pylightnix::store::Context;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::runs::{Told, assert_says, scratch};
use tests::store::{objects, publish_texts};

/// Settings that JSON represents only in part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Settings {
    depth: u32,
    /// Not serialized.
    #[serde(skip)]
    verbose: u32,
    /// Serialized as multiples of ten.
    #[serde(serialize_with = "in_tens")]
    width: u32,
}

fn in_tens<S: Serializer>(value: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u32(value / 10 * 10)
}

const PLANNED: Settings = Settings {
    depth: 3,
    verbose: 7,
    width: 47,
};
const WRITTEN: Settings = Settings {
    depth: 3,
    verbose: 0,
    width: 40,
};

/// Its artifact is the config that it saw, as text.
#[derive(Config)]
struct Seen {
    #[selfref("seen.json")]
    out: SelfRef<Json<Settings>>,
    settings: Settings,
    #[config(default, omit_default)]
    omitted: Settings,
    #[config(default, unhashed)]
    aside: Settings,
}

#[stage]
fn seen(b: &Build<Seen>) -> Result<SeenOutputs> {
    if b.aside.verbose == 9 {
        return Err("it is told to fail".into());
    }
    Ok(SeenOutputs {
        out: b.out.save(&b.settings)?,
    })
}

fn plan() -> DRef<Seen> {
    instantiate(Seen::new(PLANNED)).unwrap()
}

/// Its artifact is the dependencies' configs that it saw.
#[derive(Config)]
struct After {
    #[selfref("seen.json")]
    out: SelfRef<Json<Vec<Settings>>>,
    #[dref]
    before: DRef<Seen>,
}

#[stage]
fn after(b: &Build<After>) -> Result<AfterOutputs> {
    let settings = vec![b.before.settings.clone(), b.before.aside.clone()];
    Ok(AfterOutputs {
        out: b.out.save(&settings)?,
    })
}

#[derive(Config)]
struct Last {
    #[selfref("seen.json")]
    out: SelfRef<Json<Vec<Settings>>>,
    #[dref]
    after: DRef<After>,
    #[dref]
    many: BTreeMap<String, Vec<DRef<Seen>>>,
}

#[stage]
fn last(b: &Build<Last>) -> Result<LastOutputs> {
    let mut settings = vec![b.after.before.settings.clone()];
    let many = b.many.values().flatten();
    settings.extend(many.map(|seen| seen.settings.clone()));
    Ok(LastOutputs {
        out: b.out.save(&settings)?,
    })
}

#[test]
fn a_stage_sees_what_its_config_says() {
    let (_folder, store) = scratch();
    let plan = plan();
    assert_eq!(plan.settings, PLANNED, "a plan is as it was made");
    let seen = store.realize(&plan).unwrap();
    let saved = std::fs::read_to_string(seen.out.path()).unwrap();
    assert!(saved.contains("\"width\": 40"), "{saved}");
    // A view from the reference alone is equal.
    assert_eq!(seen.settings, WRITTEN);
    assert_eq!(
        store.realization_as::<Seen>(&seen).unwrap().settings,
        WRITTEN
    );
    assert_eq!(store.realize(&plan).unwrap().settings, WRITTEN);
}

#[test]
fn a_stage_sees_what_the_configs_of_its_dependencies_say() {
    for is_there in [false, true] {
        let (_folder, store) = scratch();
        let (seen, told) = (plan(), Told::default());
        let after = instantiate(After::new(seen.clone())).unwrap();
        let many = BTreeMap::from([("a".to_owned(), vec![seen])]);
        let last = instantiate(Last::new(after.clone(), many)).unwrap();
        if is_there {
            store
                .realize(&instantiate(After::new(plan())).unwrap())
                .unwrap();
        }
        let run = Realize::new(&store).observer(&told);
        let last = run.run(&last).unwrap();
        let built = if is_there { 1 } else { 3 };
        assert_eq!(told.of("building").len(), built);
        let width_of = |settings: &Settings| (settings.width, settings.verbose);
        let seen: Vec<_> = last.out.load().unwrap().iter().map(width_of).collect();
        assert_eq!(seen, [(40, 0), (40, 0)]);
        assert_eq!(last.after.before.settings, WRITTEN);
        // An `unhashed` field has its default.
        assert_eq!(last.after.before.aside, Settings::default());
    }
}

#[test]
fn what_is_no_part_of_the_identity_stays_as_the_plan_has_it() {
    let (_folder, store) = scratch();
    let config = Seen {
        omitted: Settings {
            verbose: 5,
            ..Settings::default()
        },
        aside: PLANNED,
        ..Seen::new(PLANNED)
    };
    let plan = instantiate(config).unwrap().with_realizer("aside", |b| {
        assert_eq!((&b.settings, &b.aside), (&WRITTEN, &PLANNED));
        assert_eq!(b.omitted, Settings::default());
        b.out.save(&b.aside).map(|out| SeenOutputs { out })
    });
    let seen = store.realize(&plan).unwrap();
    assert_eq!((&seen.settings, &seen.aside), (&WRITTEN, &PLANNED));

    // With the matcher and the realizer that the plan gives for a dependency.
    let after = instantiate(After::new(plan.lowest(|run| Ok(run.settings.width)))).unwrap();
    let after = store.realize(&after).unwrap();
    assert_eq!(after.before, seen);
    assert_eq!(after.out.load().unwrap()[1].width, 40);
    assert_eq!(after.before.aside, PLANNED);
}

/// A config with a value of any type.
#[derive(Config)]
struct Of<T: Plain> {
    value: T,
    #[selfref("value.json")]
    out: SelfRef<Json<T>>,
}

#[stage(register(Of<Settings>, Of<HashSet<u32>>))]
fn of<T: Plain>(b: &Build<Of<T>>) -> Result<OfOutputs> {
    Ok(OfOutputs {
        out: b.out.save(&b.value)?,
    })
}

#[test]
fn a_generic_stage_sees_what_its_config_says() {
    let (_folder, store) = scratch();
    let of = store
        .realize(&instantiate(Of::new(PLANNED)).unwrap())
        .unwrap();
    assert_eq!((&of.value, of.out.load().unwrap()), (&WRITTEN, WRITTEN));
}

/// A nested unordered value.
#[derive(Config)]
struct Sets {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    sets: BTreeMap<String, Vec<Named>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Named {
    ids: HashSet<u32>,
    rest: (u8, u8),
}

static SETS: AtomicUsize = AtomicUsize::new(0);

#[stage(fallible)]
fn sets(b: &Build<Sets>) -> Result<SetsOutputs> {
    SETS.fetch_add(1, Ordering::Relaxed);
    Ok(SetsOutputs {
        out: b.out.save("out")?,
    })
}

#[derive(Config)]
struct AfterSets {
    #[dref]
    sets: DRef<Sets, Try<One>>,
}

#[stage]
fn after_sets(b: &Build<AfterSets>) -> Result<()> {
    assert_eq!(b.sets.as_ref().unwrap().sets.len(), 1);
    Ok(())
}

fn of_size(size: u32) -> DRef<Sets, Try<One>> {
    let named = |ids: HashSet<u32>| Named { ids, rest: (1, 2) };
    let list = vec![named(HashSet::new()), named((0..size).collect())];
    instantiate(Sets::new(BTreeMap::from([("a b".to_owned(), list)]))).unwrap()
}

#[test]
fn what_has_no_order_is_refused_when_its_stage_is_built() {
    let (_folder, store) = scratch();
    for size in [2, 3, 4, 5, 500] {
        let plan = of_size(size);
        let told = Told::default();
        let run = Realize::new(&store).observer(&told);
        let error = run.run(&plan).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_says(
            &error,
            &[
                "the field `sets[\"a b\"][1].ids[",
                "of stage `sets` changes when its JSON is read and written again: from `",
                "`BTreeSet` instead of `HashSet`",
                "`#[config(unhashed)]`",
                plan.id().to_string().as_str(),
            ],
        );
        // Not even a recorded failure, although the stage is fallible.
        assert_eq!(told.of("building"), [""; 0]);
        assert_eq!(store.rrefs_of(plan.id()).unwrap(), []);
        assert!(objects(&store).is_empty());

        let after = instantiate(AfterSets { sets: plan.clone() }).unwrap();
        let error = run.keep_going().run(&after).unwrap_err();
        assert_says(&error, &["of stage `sets`", "1 stage that needs it"]);

        let mut stepping = store.step(plan.clone()).unwrap();
        assert_eq!(stepping.next_to_build().unwrap().unwrap().runs, 1);
        assert_says(&stepping.run_next().unwrap_err(), &["of stage `sets`"]);
        let error = stepping.take(&plan).map(drop).unwrap_err();
        assert_says(&error, &["of stage `sets`"]);
        let run = Realize::new(&store).without_publishing();
        let error = run.run(&of_size(size)).unwrap_err();
        assert_says(&error, &["of stage `sets`"]);
    }
    assert_eq!(SETS.load(Ordering::Relaxed), 0);
    // Sets of these sizes have only one order.
    for size in [0, 1] {
        store.realize(&of_size(size)).unwrap().unwrap();
    }
    let set: HashSet<u32> = HashSet::from([1, 2]);
    let error = store.realize(&instantiate(Of::new(set)).unwrap());
    assert_says(&error.unwrap_err(), &["the field `value[", "`of`"]);
}

/// Types that survive the round trip.
#[derive(Config)]
struct Kept {
    sets: BTreeSet<String>,
    maps: HashMap<String, Vec<Option<f64>>>,
    pair: (f32, Option<String>),
    number: Option<i128>,
    nested: Vec<Vec<u8>>,
    path: std::path::PathBuf,
    any: serde_json::Value,
    #[config(default, unhashed)]
    free: HashSet<u32>,
}

#[stage]
fn kept(b: &Build<Kept>) -> Result<()> {
    assert_eq!(b.free.len(), 3);
    assert_eq!(
        (b.number, b.pair.0, b.maps.len()),
        (Some(i128::MIN), 0.1, 2)
    );
    Ok(())
}

#[test]
fn what_comes_back_is_built() {
    let (_folder, store) = scratch();
    let texts = || ["b".to_owned(), "a".to_owned()];
    let config = Kept {
        free: HashSet::from([1, 2, 3]),
        ..Kept::new(
            texts().into(),
            texts()
                .map(|text| (text, vec![None, Some(0.1), Some(-0.)]))
                .into(),
            (0.1, None),
            Some(i128::MIN),
            vec![vec![1, 2], vec![]],
            "a/b".into(),
            serde_json::json!({"b": 1.5, "a": [{"c": null}, 1e300]}),
        )
    };
    store.realize(&instantiate(config).unwrap()).unwrap();
}

/// A value that deserializes as another value, once a test enables that.
#[derive(Clone, Debug, PartialEq)]
struct Drifting<const WHICH: usize>(usize);

/// The amount by which the values of each type drift.
static DRIFT: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

impl<const WHICH: usize> Serialize for Drifting<WHICH> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de, const WHICH: usize> Deserialize<'de> for Drifting<WHICH> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let drift = DRIFT[WHICH].load(Ordering::Relaxed);
        Ok(Drifting(usize::deserialize(from)? + drift))
    }
}

#[derive(Config)]
struct Drifts<const WHICH: usize> {
    #[selfref("out.json")]
    out: SelfRef<Json<usize>>,
    start: Drifting<WHICH>,
}

#[stage]
fn drifts<const WHICH: usize>(b: &Build<Drifts<WHICH>>) -> Result<DriftsOutputs> {
    Ok(DriftsOutputs {
        out: b.out.save(&b.start.0)?,
    })
}

#[derive(Config)]
struct AfterDrifts<const WHICH: usize> {
    #[dref]
    before: DRef<Drifts<WHICH>>,
}

#[stage]
fn after_drifts<const WHICH: usize>(b: &Build<AfterDrifts<WHICH>>) -> Result<()> {
    let _ = b.before.start;
    Ok(())
}

#[derive(Config)]
struct LastDrifts<const WHICH: usize> {
    #[dref]
    after: DRef<AfterDrifts<WHICH>>,
    number: u32,
}

#[stage]
fn last_drifts<const WHICH: usize>(b: &Build<LastDrifts<WHICH>>) -> Result<()> {
    let _ = b.after.before.start;
    Ok(())
}

fn drift<const WHICH: usize>() -> DRef<Drifts<WHICH>> {
    instantiate(Drifts::new(Drifting::<WHICH>(5))).unwrap()
}

#[test]
fn a_hit_is_not_read_back() {
    let (_folder, store) = scratch();
    store.realize(&drift::<0>()).unwrap();
    DRIFT[0].store(1, Ordering::Relaxed);
    let (there, report) = Realize::new(&store).run_reporting(&drift::<0>()).unwrap();
    assert_eq!((report.built, there.out.load().unwrap()), (0, 5));
    let error = Realize::new(&store).force_all().run(&drift::<0>());
    assert_says(
        &error.unwrap_err(),
        &[
            "the field `start` of stage `drifts` changes when its JSON is read and written again: from `5` to `6`",
        ],
    );
    let determinism = Realize::new(&store).check_determinism(&drift::<0>(), 1);
    assert_says(&determinism.unwrap_err(), &["of stage `drifts`"]);
}

#[test]
fn a_hit_that_a_stage_would_see_is_read_back() {
    let (_folder, store) = scratch();
    let last = |number| {
        let after = instantiate(AfterDrifts::new(drift::<1>())).unwrap();
        instantiate(LastDrifts::new(after, number)).unwrap()
    };
    store.realize(&last(1)).unwrap();
    DRIFT[1].store(1, Ordering::Relaxed);
    store.realize(&last(1)).unwrap();
    // Every stage with such a dependency fails, not only the first one.
    let run = Realize::new(&store).jobs(1).keep_going();
    let error = run.run(&[last(2), last(3)]).unwrap_err();
    assert_eq!(error.parts().len(), 2, "{error:?}");
    for part in error.parts() {
        assert_says(part, &["the field `start` of stage `drifts`"]);
    }
}

#[test]
fn a_config_that_is_read_from_a_store_is_read_back() {
    let (_folder, store) = scratch();
    let plan = instantiate(Of::new(PLANNED)).unwrap();
    let of = store.realize(&plan).unwrap();
    let again = store.derivation(plan.id()).unwrap();
    let forced = Realize::new(&store).force_all().run(&again).unwrap();
    assert_eq!(forced[0].id(), of.id());

    // A result from before such configs were refused.
    let set = instantiate(Of::new(HashSet::from([1, 2, 3]))).unwrap();
    let files = [("value.json", "[]")];
    let _ = publish_texts(&store, set.config_json(), &Context::empty(), &files);
    let again = store.derivation(set.id()).unwrap();
    let error = Realize::new(&store).force_all().run(&again).unwrap_err();
    assert_says(&error, &["the field `value[", "of stage `of`"]);
}

/// A link of a chain, with a field that needs a check.
#[derive(Config)]
struct Chain {
    #[dref]
    before: Option<DRef<Chain>>,
    settings: Settings,
    number: u32,
}

#[stage]
fn chain(b: &Build<Chain>) -> Result<()> {
    assert_eq!(b.settings, WRITTEN);
    if let Some(before) = &b.before {
        assert_eq!(before.settings, WRITTEN);
    }
    Ok(())
}

#[test]
fn a_long_chain_is_read_back_link_by_link() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let chain = || {
        let (_folder, store) = scratch();
        let link = |before, number| instantiate(Chain::new(before, PLANNED, number)).unwrap();
        let last = (1..20_000).fold(link(None, 0), |last, number| link(Some(last), number));
        let run = Realize::new(&store).jobs(1).without_publishing();
        let (_, report) = run.run_reporting(&last).unwrap();
        assert_eq!(report.built, 20_000);
    };
    small.spawn(chain).unwrap().join().unwrap();
}
