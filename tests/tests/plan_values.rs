//! Plans are values: comparison, cloning, conflicts, dependencies in containers, recursive and generic configs.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::ErrorKind;
use pylightnix::config::DRefId;
use pylightnix::lens::{Many, Plain};
use pylightnix::plan::{AnyDRef, Target};
use pylightnix::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use tests::runs::{assert_says, scratch};

/// A stage that writes a number.
#[derive(Config)]
struct Number {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    value: i64,
}

#[stage(matcher = only())]
fn number(b: &Build<Number>) -> Result<NumberOutputs> {
    let out = b.out.save(&b.value.to_string())?;
    Ok(NumberOutputs { out })
}

/// A stage that adds numbers.
#[derive(Config)]
struct Sum {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    terms: Vec<DRef<Number>>,
}

#[stage(matcher = only())]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let mut sum = 0;
    for term in &b.terms {
        sum += term.out.load()?.parse::<i64>()?;
    }
    let out = b.out.save(&sum.to_string())?;
    Ok(SumOutputs { out })
}

/// A nondeterministic stage.
#[derive(Config)]
struct Dice {
    #[selfref("eyes.txt")]
    eyes: SelfRef<Text>,
}

#[stage(many, nouts = 3)]
fn dice(b: &Build<Dice>) -> Result<DiceOutputs> {
    let eyes = b.eyes.save(&b.index().to_string())?;
    Ok(DiceOutputs { eyes })
}

/// A stage that writes a folder.
#[derive(Config)]
struct Tree {
    #[selfref("tree")]
    tree: SelfRef,
}

#[stage]
fn tree(b: &Build<Tree>) -> Result<TreeOutputs> {
    std::fs::create_dir_all(b.tree.path().join("doc"))?;
    std::fs::write(b.tree.path().join("doc/README"), "read me")?;
    Ok(TreeOutputs {
        tree: b.tree.written()?,
    })
}

fn of(value: i64) -> DRef<Number> {
    instantiate(Number::new(value)).unwrap()
}

fn total(terms: Vec<DRef<Number>>) -> DRef<Sum> {
    instantiate(Sum::new(terms)).unwrap()
}

fn hash_of<T: std::hash::Hash>(value: &T) -> u64 {
    use std::hash::BuildHasher as _;
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(value)
}

#[test]
fn equal_configs_are_equal_plans() {
    let (one, again, two) = (of(1), of(1), of(2));
    assert_eq!(one, again);
    assert_eq!(one, one.clone());
    assert_ne!(one, two);
    assert_eq!(hash_of(&one), hash_of(&again));
    assert_eq!(one.cmp(&two), one.id().cmp(two.id()));
    assert_eq!(HashSet::from([one.clone(), again, two]).len(), 2);
    // Equality of plans includes their dependencies.
    assert_eq!(total(vec![of(1), of(2)]), total(vec![of(1), of(2)]));
    assert_ne!(total(vec![of(1), of(2)]), total(vec![of(2), of(1)]));
    assert_eq!(one.clone().value, 1);
}

#[test]
fn they_print_as_their_references() {
    let one = of(1);
    let id: DRefId = one.to_string().parse().unwrap();
    assert_eq!(&id, one.id());
    assert!(id.to_string().starts_with("dref:"));
    assert!(id.to_string().ends_with("-number"));
    assert_eq!(format!("{one:?}"), one.to_string());
    assert_eq!(format!("{:?}", one.erase()), one.to_string());
    assert_eq!(one.erase().to_string(), one.to_string());
    assert_eq!(
        format!("{:?}", one.out),
        format!("RefPath({one}, \"out.txt\")")
    );
    let config = "{\n    \"name\": \"number\",\n    \"out\": [\n        \"__self__\",\n        \"out.txt\"\n    ],\n    \"value\": 1\n}";
    assert_eq!(one.config_json().text(), config);
}

#[test]
fn matchers_and_realizers_are_no_part_of_the_identity() {
    let one = of(1);
    let id = one.id().clone();
    assert_eq!(one.clone().latest().id(), &id);
    assert_eq!(one.clone().with_matcher(matcher::all()).id(), &id);
    assert_eq!(one.clone().lowest(|run| Ok(run.value)).id(), &id);
    assert_eq!(one.clone().latest_n(3).only().id(), &id);
    let other = one.clone().with_realizer("other", |b| {
        b.out.save("0").map(|out| NumberOutputs { out })
    });
    assert_eq!(other, one);
    assert_eq!(
        total(vec![other.latest()]).id(),
        total(vec![one.clone()]).id()
    );
    // The original is unchanged.
    let (_folder, store) = scratch();
    assert_eq!(store.realize(&one).unwrap().out.load().unwrap(), "1");
}

#[test]
fn a_plan_owns_its_parts_and_goes_anywhere() {
    fn goes_anywhere<T: Send + Sync + Clone + 'static>(_: &T) {}
    let plan = {
        let parts = vec![of(1), of(2)];
        total(parts)
    };
    goes_anywhere(&plan);
    goes_anywhere(&plan.erase());
    assert_eq!(plan.terms[1].value, 2);
    assert_eq!(plan.terms[0].out.path(), "out.txt");
    assert_eq!(plan.terms[0].out.dref(), of(1).id());
    let sum = std::thread::spawn(move || {
        let (_folder, store) = scratch();
        store.realize(&plan).unwrap().out.load().unwrap()
    });
    assert_eq!(sum.join().unwrap(), "3");
}

/// Asserts the error of a plan that contradicts itself, and that nothing is written for it.
#[track_caller]
fn conflict<T: Target>(target: &T, about: &str, why: &str) {
    let (_folder, store) = scratch();
    let before = tests::runs::traces(store.root());
    let dry = store.plan(target).unwrap_err();
    let Err(error) = store.realize(target) else {
        unreachable!("a plan that contradicts itself was realized")
    };
    assert_eq!(before, tests::runs::traces(store.root()));
    assert_eq!(format!("{dry:?}"), format!("{error:?}"));
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_says(&error, &[about, "is in this plan twice", why]);
    assert_says(&error, &["help: instantiate it once and clone"]);
}

#[track_caller]
fn agrees<T: Target>(target: &T) {
    let (_folder, store) = scratch();
    store.realize(target).map(drop).unwrap();
}

#[test]
fn different_matchers_of_one_derivation_conflict() {
    let one = of(1);
    let name = one.to_string();
    let why = "their matchers differ";
    conflict(&(one.clone(), one.clone().latest()), &name, why);
    conflict(&(one.clone().latest(), one.clone()), &name, why);
    conflict(&(one.clone().only(), one.clone().latest()), &name, why);
    conflict(&(one.clone().latest(), one.clone().latest_n(1)), &name, why);
    let two = |n| one.clone().latest_n(n);
    conflict(&[two(1), two(2)], &name, why);
    // At any depth.
    conflict(
        &(
            total(vec![one.clone()]),
            total(vec![of(2), one.clone().latest()]),
        ),
        &name,
        why,
    );
    // Between two plans that are equal otherwise.
    conflict(
        &[total(vec![one.clone()]), total(vec![one.clone().latest()])],
        &name,
        why,
    );
    // Closures with captures are never equal, because they may choose differently.
    let below = |limit: i64| one.clone().lowest(move |run| Ok(run.value.min(limit)));
    conflict(&[below(1), below(2)], &name, why);
    let picked = |limit: i64| {
        one.clone()
            .with_matcher(matcher::only().filter(move |run: &RRef<Number>| Ok(run.value < limit)))
    };
    conflict(&[picked(8), picked(8)], &name, why);
    // Two closures are different, even without captures.
    conflict(
        &(
            one.clone().lowest(|run| Ok(run.value)),
            one.clone().lowest(|run| Ok(-run.value)),
        ),
        &name,
        why,
    );
}

#[test]
fn equal_matchers_of_one_derivation_agree() {
    fn value(run: &RRef<Number>) -> Result<i64> {
        Ok(run.value)
    }
    // The stage's own matcher, made twice; and clones of a given matcher.
    agrees(&(of(1), of(1), total(vec![of(1)])));
    let given = of(1).lowest(|run| Ok(run.value));
    agrees(&(given.clone(), total(vec![given])));
    // Matchers that are equal by value.
    agrees(&[of(1).latest(), of(1).latest()]);
    agrees(&[of(1).latest_n(1), of(1).latest_n(1)]);
    agrees(&[
        of(1).with_matcher(matcher::some(1)),
        of(1).with_matcher(matcher::some(1)),
    ]);
    agrees(&[of(1).lowest(value), of(1).lowest(value)]);
    agrees(&[of(1).lowest_n(1, value), of(1).lowest_n(1, value)]);
    agrees(&[of(1).highest_n(1, value), of(1).highest_n(1, value)]);
    // The same closure without captures, given twice.
    let best = || of(1).highest(|run| Ok(run.value));
    agrees(&[best(), best()]);
    let filtered =
        || of(1).with_matcher(matcher::only().filter(|run: &RRef<Number>| Ok(run.value > 0)));
    agrees(&[filtered(), filtered()]);
}

#[test]
fn different_realizers_of_one_derivation_conflict() {
    let made = |label: &str| {
        of(1).with_realizer(label, |b| b.out.save("1").map(|out| NumberOutputs { out }))
    };
    let name = of(1).to_string();
    let why = "their realizers differ";
    conflict(&[of(1), made("a")], &name, why);
    conflict(&[made("a"), made("b")], &name, why);
    let elsewhere = of(1).with_realizer("a", |b| b.out.save("2").map(|out| NumberOutputs { out }));
    conflict(&[made("a"), elsewhere], &name, why);
    agrees(&[made("a"), made("a")]);
    let one = made("c");
    agrees(&(one.clone(), one.clone(), total(vec![one])));
}

/// A config of any type: two types may have equal references.
#[derive(Config)]
struct Value<T: Plain + Display> {
    #[selfref("value.txt")]
    out: SelfRef<Text>,
    value: T,
}

#[stage(register(Value<u8>, Value<String>))]
fn value<T: Plain + Display>(b: &Build<Value<T>>) -> Result<ValueOutputs> {
    let out = b.out.save(&b.value.to_string())?;
    Ok(ValueOutputs { out })
}

#[test]
fn generic_configs_are_configs() {
    let (_folder, store) = scratch();
    let number = instantiate(Value::new(7_u8)).unwrap();
    let text = instantiate(Value::new("seven".to_owned())).unwrap();
    let (one, two) = store.realize(&(&number, &text)).unwrap();
    assert_eq!(one.out.load().unwrap(), "7");
    assert_eq!(two.out.load().unwrap(), "seven");
    let value: &u8 = &one.value;
    assert_eq!(*value, 7);
}

#[test]
fn two_types_of_one_reference_conflict() {
    let small = instantiate(Value::new(7_u8)).unwrap();
    let large = instantiate(Value::new(7_u64)).unwrap();
    assert_eq!(small.id(), large.id());
    let name = small.to_string();
    conflict(&(small.clone(), large.clone()), &name, "Value<u8>");
    conflict(&(small, large), &name, "Value<u64>");
}

/// A config with each kind of dependency.
#[derive(Config)]
struct Everything {
    #[selfref("found.json")]
    found: SelfRef<Json<Vec<String>>>,
    #[dref]
    none: Option<DRef<Number>>,
    #[dref]
    maybe: Option<DRef<Number>>,
    #[dref]
    list: Vec<DRef<Number>>,
    #[dref]
    map: BTreeMap<String, DRef<Number>>,
    #[dref]
    file: RefPath<Text>,
    #[dref]
    below: RefPath<Text>,
    #[dref]
    rolls: DRef<Dice, Many>,
    #[dref]
    eyes: RefPath<Text, Many>,
    #[dref]
    nested: BTreeMap<String, Vec<Option<DRef<Number>>>>,
}

#[stage]
fn everything(b: &Build<Everything>) -> Result<EverythingOutputs> {
    assert!(b.none.is_none());
    let mut found = vec![b.maybe.as_ref().unwrap().out.load()?];
    for one in &b.list {
        found.push(one.out.load()?);
    }
    for (key, one) in &b.map {
        found.push(format!("{key}={}", one.out.load()?));
    }
    found.push(b.file.load()?);
    found.push(b.below.load()?);
    // Many realizations are sorted by reference, and so are files of many realizations.
    assert!(b.rolls.is_sorted());
    let rolls: Vec<_> = b.rolls.iter().map(|roll| roll.id()).collect();
    let eyes: Vec<_> = b.eyes.iter().map(|eyes| eyes.rref()).collect();
    assert_eq!(rolls, eyes);
    let mut eyes = b
        .eyes
        .iter()
        .map(|eyes| Ok(eyes.load()?))
        .collect::<Result<Vec<_>>>()?;
    eyes.sort();
    found.push(eyes.concat());
    for (key, list) in &b.nested {
        for one in list {
            let one = one.as_ref().map(|one| one.out.load()).transpose()?;
            found.push(format!("{key}={one:?}"));
        }
    }
    Ok(EverythingOutputs {
        found: b.found.save(&found)?,
    })
}

#[test]
fn dependencies_in_containers() {
    let rolls = instantiate(Dice::new()).unwrap();
    let files = instantiate(Tree::new()).unwrap();
    let plan = instantiate(Everything::new(
        None,
        Some(of(1)),
        vec![of(3), of(2), of(3)],
        BTreeMap::from([("b".to_owned(), of(4)), ("a".to_owned(), of(5))]),
        of(6).out.clone(),
        files.tree.join("doc/README").unwrap(),
        rolls.clone(),
        rolls.eyes.clone(),
        BTreeMap::from([
            ("x".to_owned(), vec![None, Some(of(7))]),
            ("y".to_owned(), vec![]),
        ]),
    ))
    .unwrap();
    // In the plan, the fields have their original values.
    assert_eq!(plan.list[0], of(3));
    assert_eq!(plan.map["a"].value, 5);
    assert_eq!(plan.below.path(), "tree/doc/README");
    assert_eq!(plan.nested["x"][1], Some(of(7)));
    // Each derivation once, sorted: 1 to 7, the dice and the tree.
    let deps = plan.config_json().deps();
    assert_eq!(deps.len(), 9);
    assert!(deps.is_sorted());
    let (_folder, store) = scratch();
    let rref = store.realize(&plan).unwrap();
    let found = [
        "1",
        "3",
        "2",
        "3",
        "a=5",
        "b=4",
        "6",
        "read me",
        "012",
        "x=None",
        "x=Some(\"7\")",
    ];
    assert_eq!(rref.found.load().unwrap(), found);
    // The same for the realized fields.
    assert!(rref.none.is_none());
    assert_eq!(rref.list[1].out.load().unwrap(), "2");
    assert_eq!(rref.list[0], rref.list[2]);
    assert_eq!(rref.rolls.len(), 3);
    assert_eq!(rref.below.load().unwrap(), "read me");
    assert_eq!(rref.context().count(), 11);
    // The same view, from the reference alone.
    let opened = store.realization_as::<Everything>(&rref).unwrap();
    assert_eq!(opened, rref);
    assert_eq!(opened.found.load().unwrap(), found);
    assert_eq!(opened.map["b"].out.load().unwrap(), "4");
    assert_eq!(opened.eyes.len(), 3);
    let again = store.derivation(&plan).unwrap();
    assert_eq!(again.id(), plan.id());
    assert_eq!(store.realize(&again).unwrap()[0].id(), rref.id());
}

#[test]
fn paths_below_an_artifact() {
    let files = instantiate(Tree::new()).unwrap();
    for path in [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        ".",
        "a/./b",
        "..",
        "a/../b",
    ] {
        let error = files.tree.join::<Text>(path).unwrap_err();
        assert_says(
            &error,
            &[
                &format!("{path:?} is not a valid path"),
                "help: write names",
            ],
        );
    }
}

/// A chain of stages of one type.
#[derive(Config)]
struct Step {
    #[selfref("sum.txt")]
    sum: SelfRef<Text>,
    #[dref]
    before: Option<DRef<Self>>,
    add: u64,
}

#[stage]
fn step(b: &Build<Step>) -> Result<StepOutputs> {
    let before: u64 = match &b.before {
        Some(step) => step.sum.load()?.parse()?,
        None => 0,
    };
    let sum = b.sum.save(&(before + b.add).to_string())?;
    Ok(StepOutputs { sum })
}

#[test]
fn recursive_configs() {
    let mut plan = instantiate(Step::new(None, 1)).unwrap();
    for add in 2..=4 {
        plan = instantiate(Step::new(Some(plan), add)).unwrap();
    }
    let (_folder, store) = scratch();
    let rref = store.realize(&plan).unwrap();
    assert_eq!(rref.sum.load().unwrap(), "10");
    let two = rref.before.as_ref().unwrap().before.as_ref().unwrap();
    assert_eq!((two.add, two.sum.load().unwrap().as_str()), (2, "3"));
    let opened = store.realization_as::<Step>(&rref).unwrap();
    assert_eq!(opened.before.as_ref().unwrap().sum.load().unwrap(), "6");
}

#[test]
fn targets_of_any_shape() {
    let (_folder, store) = scratch();
    assert_eq!(store.realize(&of(1)).unwrap().value, 1);
    let (a, (b,)) = store.realize(&(of(1), (total(vec![of(2)]),))).unwrap();
    assert_eq!(
        (a.value, b.out.load().unwrap().as_str()),
        (1, "2"),
        "a tuple"
    );
    let [a, b] = store.realize(&[of(1), of(2)]).unwrap();
    assert_eq!((a.value, b.value), (1, 2), "an array");
    let list = store.realize(&vec![of(3), of(1), of(3)]).unwrap();
    let values: Vec<_> = list.iter().map(|one| one.value).collect();
    assert_eq!(values, [3, 1, 3], "a list keeps its order");
    let slice = store.realize(&vec![of(3), of(1)][..1]).unwrap();
    assert_eq!(slice.len(), 1);
    let map = store
        .realize(&BTreeMap::from([("b", of(2)), ("a", of(1))]))
        .unwrap();
    assert_eq!(
        map.iter().map(|(k, v)| (*k, v.value)).collect::<Vec<_>>(),
        [("a", 1), ("b", 2)]
    );
    let map = store.realize(&HashMap::from([(1, of(1))])).unwrap();
    assert_eq!(map[&1].value, 1);
    assert!(store.realize(&None::<DRef<Number>>).unwrap().is_none());
    assert_eq!(store.realize(&Some(of(1))).unwrap().unwrap().value, 1);
    let rolls = instantiate(Dice::new()).unwrap();
    let many: Vec<RRef<Dice>> = store.realize(&rolls).unwrap();
    assert_eq!(many.len(), 3);
    let mixed: Vec<AnyDRef> = vec![of(1).erase(), rolls.erase()];
    let mixed = store.realize(&mixed).unwrap();
    assert_eq!((mixed[0].len(), mixed[1].len()), (1, 3));
    assert_eq!(mixed[0][0].downcast::<Number>().unwrap().value, 1);
    assert!(mixed[1][0].downcast::<Number>().is_none());
    let nested = store
        .realize(&[Some(vec![(of(1), rolls.clone())]), None])
        .unwrap();
    assert_eq!(nested[0].as_ref().unwrap()[0].1.len(), 3);
    let nothing: Vec<RRef<Number>> = store.realize(&Vec::<DRef<Number>>::new()).unwrap();
    assert!(nothing.is_empty());
    // A shared dependency is built once.
    assert_eq!(store.rrefs_of(of(1).id()).unwrap().len(), 1);
    let names: BTreeSet<_> = store
        .drefs()
        .unwrap()
        .iter()
        .map(|d| d.name().to_string())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["dice".into(), "number".into(), "sum".into()])
    );
}

#[test]
fn wide_plans_and_diamonds() {
    let (_folder, store) = scratch();
    let top = of(1);
    let wide = total((0..500).map(of).chain([top.clone()]).collect());
    assert_eq!(
        store.realize(&wide).unwrap().out.load().unwrap(),
        (0..500).sum::<i64>().saturating_add(1).to_string()
    );
    // Doubling 64 times gives 2^64 paths to the top, and 65 stages.
    let mut diamond = instantiate(Twice::new(None, None, 0)).unwrap();
    for level in 1..=64 {
        let (left, right) = (diamond.clone(), diamond);
        diamond = instantiate(Twice::new(Some(left), Some(right), level)).unwrap();
    }
    let (rref, report) = Realize::new(&store).run_reporting(&diamond).unwrap();
    assert_eq!((report.stages, report.built, report.runs), (65, 65, 65));
    assert_eq!(rref.paths.load().unwrap(), "18446744073709551616");
    let opened = store.realization_as::<Twice>(&rref).unwrap();
    assert_eq!(opened.left, rref.right);
}

/// A stage with two dependencies on its own type.
#[derive(Config)]
struct Twice {
    #[selfref("paths.txt")]
    paths: SelfRef<Text>,
    #[dref]
    left: Option<DRef<Twice>>,
    #[dref]
    right: Option<DRef<Twice>>,
    level: u64,
}

#[stage]
fn twice(b: &Build<Twice>) -> Result<TwiceOutputs> {
    let mut paths = 0_u128;
    for side in [&b.left, &b.right].into_iter().flatten() {
        paths += side.paths.load()?.parse::<u128>()?;
    }
    let paths = b.paths.save(&paths.max(1).to_string())?;
    Ok(TwiceOutputs { paths })
}

/// A stage with several parameters and a dependency.
#[derive(Config)]
struct Tuned {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    number: DRef<Number>,
    #[config(default = 0.5)]
    rate: f64,
    #[config(default = 10)]
    steps: u64,
}

#[stage]
fn tuned(b: &Build<Tuned>) -> Result<TunedOutputs> {
    let out = b.number.out.load()?;
    let out = b.out.save(&format!("{out} {} {}", b.rate, b.steps))?;
    Ok(TunedOutputs { out })
}

#[test]
fn changed_configs_by_struct_update() {
    let base = || Tuned {
        rate: 0.1,
        ..Tuned::new(of(1))
    };
    let same = instantiate(base()).unwrap();
    let longer = instantiate(Tuned {
        steps: 20,
        ..base()
    })
    .unwrap();
    let other = instantiate(Tuned {
        number: of(2),
        ..base()
    })
    .unwrap();
    assert_eq!(HashSet::from([&same, &longer, &other]).len(), 3);
    let (_folder, store) = scratch();
    let run = Realize::new(&store);
    let (first, report) = run.run_reporting(&same).unwrap();
    assert_eq!((report.built, report.reused), (2, 0));
    // Unchanged stages are reused.
    let (longer, report) = run.run_reporting(&longer).unwrap();
    assert_eq!((report.built, report.reused), (1, 1));
    assert_eq!(longer.number, first.number);
    assert_eq!(longer.out.load().unwrap(), "1 0.1 20");
    assert_eq!(
        store.realize(&other).unwrap().out.load().unwrap(),
        "2 0.1 10"
    );
    assert_eq!(store.realize(&same).unwrap(), first);
}

/// A config in whose JSON a part of a path looks like a derivation.
#[derive(Config)]
struct Odd {
    #[selfref("dref:7c308bad0e7fa364790b71e6ffab924a-params/x.txt")]
    out: SelfRef<Text>,
}

#[stage]
fn odd(_: &Build<Odd>) -> Result<OddOutputs> {
    Err("it does not run".into())
}

#[test]
fn a_path_that_names_a_derivation_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let plan = instantiate(Odd::new()).unwrap();
    assert_eq!(plan.config_json().deps().len(), 1);
    let error = store.realize(&plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(
        error.to_string().contains("is not one of its dependencies"),
        "{error}"
    );
}
