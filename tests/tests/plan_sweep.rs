//! Plans with many stages: grids, and labels that distinguish their derivations and realizations.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use proptest::prelude::*;
use pylightnix::ErrorKind;
use pylightnix::config::ConfigJson;
use pylightnix::plan::{grid, labelled, labels, sweep};
use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use tests::runs::{assert_says, scratch};

/// A dependency.
#[derive(Config)]
struct Data {
    #[selfref("data.txt")]
    data: SelfRef<Text>,
    size: u32,
    #[config(default = 1, omit_default)]
    seed: u32,
}

#[stage]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let data = b.data.save(&format!("{} {}", b.size, b.seed))?;
    Ok(DataOutputs { data })
}

/// A stage with parameters of many types.
#[derive(Config)]
struct Train {
    #[selfref("loss.json")]
    loss: SelfRef<Json<f64>>,
    #[dref]
    data: DRef<Data>,
    rate: f64,
    #[config(default = "sgd".to_owned(), omit_default)]
    optimizer: String,
    #[config(default)]
    table: BTreeMap<String, Vec<u32>>,
}

#[stage(nouts = 2)]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let loss = b.loss.save(&(b.rate + b.index() as f64))?;
    Ok(TrainOutputs { loss })
}

/// A stage that reaches one dependency in two ways.
#[derive(Config)]
struct Plot {
    #[dref]
    train: DRef<Train>,
    #[dref]
    data: DRef<Data>,
}

#[stage]
fn plot(_: &Build<Plot>) -> Result<()> {
    Ok(())
}

/// A stage that collects all results of a sweep.
#[derive(Config)]
struct Table {
    #[selfref("table.txt")]
    table: SelfRef<Text>,
    #[dref]
    runs: BTreeMap<String, DRef<Train>>,
    #[dref]
    listed: Vec<DRef<Train>>,
}

#[stage]
fn table(b: &Build<Table>) -> Result<TableOutputs> {
    let lines: Vec<_> = b
        .runs
        .iter()
        .map(|(label, run)| format!("{label}: {}", run.rate))
        .collect();
    assert_eq!(b.listed.len(), b.runs.len());
    let table = b.table.save(&lines.join("\n"))?;
    Ok(TableOutputs { table })
}

fn some_data(size: u32) -> DRef<Data> {
    instantiate(Data::new(size)).unwrap()
}

#[test]
fn a_sweep_is_made_and_collected_in_one_go() {
    let (_folder, store) = scratch();
    let data = some_data(3);
    let points = grid(([0.1, 0.5], ["sgd", "adam"]));
    let runs = sweep(points, |(rate, optimizer)| Train {
        optimizer: optimizer.to_owned(),
        ..Train::new(data.clone(), rate)
    })
    .unwrap();
    assert_eq!(runs.len(), 4);
    let wanted = [
        "rate=0.1,optimizer=sgd",
        "rate=0.1,optimizer=adam",
        "rate=0.5,optimizer=sgd",
        "rate=0.5,optimizer=adam",
    ];
    assert_eq!(labels(&runs), wanted);
    let plan = instantiate(Table::new(labelled(&runs).unwrap(), runs.clone())).unwrap();
    let (table, report) = Realize::new(&store).run_reporting(&plan).unwrap();
    assert_eq!((report.stages, table.listed.len()), (6, 4));
    let text = table.table.load().unwrap();
    assert!(text.starts_with("rate=0.1,optimizer=adam: 0.1\n"), "{text}");
    // The labels of the store are equal. Omitted defaults are known for realizations.
    assert_eq!(store.labels(&table.listed).unwrap(), wanted);
    let drefs: Vec<_> = runs.iter().map(|run| run.id().clone()).collect();
    let drefs = store.labels(&drefs).unwrap();
    assert_eq!(
        drefs[..2],
        ["rate=0.1,optimizer=-", "rate=0.1,optimizer=adam"]
    );
}

#[test]
fn what_differs_is_said_as_short_as_it_can_be() {
    let train = |size: u32, rate: f64| instantiate(Train::new(some_data(size), rate)).unwrap();
    // A single derivation, and equal ones.
    assert_eq!(labels(&train(1, 0.5)), ["train"]);
    assert_eq!(labels(&[train(1, 0.5), train(1, 0.5)]), ["train", "train"]);
    assert_eq!(labels(&Vec::<DRef<Train>>::new()), Vec::<String>::new());
    // Fields of dependencies.
    assert_eq!(
        labels(&[train(1, 0.5), train(2, 0.5)]),
        ["size=1", "size=2"]
    );
    // In two ways at once.
    let plot = |size: u32| instantiate(Plot::new(train(size, 0.5), some_data(size))).unwrap();
    assert_eq!(labels(&[plot(1), plot(2)]), ["size=1", "size=2"]);
    // Suffixes of paths are extended until they are unique.
    let plot =
        |one: u32, other: u32| instantiate(Plot::new(train(one, 0.5), some_data(other))).unwrap();
    assert_eq!(
        labels(&[plot(1, 3), plot(1, 4), plot(2, 4)]),
        [
            "train.data.size=1,data.size=3",
            "train.data.size=1,data.size=4",
            "train.data.size=2,data.size=4"
        ]
    );
    // Nested values, and values that only one config has.
    let table = |items: &[u32]| {
        let table = BTreeMap::from([("a b".to_owned(), items.to_vec())]);
        instantiate(Train {
            table,
            ..Train::new(some_data(1), 0.5)
        })
        .unwrap()
    };
    assert_eq!(
        labels(&[table(&[1, 2]), table(&[1, 3])]),
        ["[\"a b\"][1]=2", "[\"a b\"][1]=3"]
    );
    assert_eq!(
        labels(&[table(&[1]), table(&[1, 3])]),
        ["[\"a b\"]=[1]", "[\"a b\"]=[1, 3]"]
    );
    assert_eq!(
        labels(&[table(&[1]), train(1, 0.5)]),
        ["[\"a b\"]=[1]", "[\"a b\"]=-"]
    );
    // Stages with different names.
    let mixed = (train(1, 0.5), some_data(1), train(1, 0.25));
    assert_eq!(
        labels(&mixed),
        ["train,rate=0.5", "data", "train,rate=0.25"]
    );
}

/// The optimizer of a training.
#[derive(Clone, Serialize, Deserialize)]
enum Optimizer {
    Plain,
    Sgd { momentum: f64, nesterov: bool },
    Adam { beta: f64, epsilon: f64 },
}

#[derive(Config)]
struct Fit {
    optimizer: Optimizer,
    fallback: Option<Optimizer>,
    #[dref]
    runs: Vec<DRef<Train>>,
    #[dref]
    named: BTreeMap<String, DRef<Train>>,
    path: String,
}

#[stage]
fn fit(_: &Build<Fit>) -> Result<()> {
    Ok(())
}

fn fit_of(optimizer: Optimizer) -> Fit {
    Fit::new(optimizer, None, vec![], BTreeMap::new(), String::new())
}

fn labels_of(fits: impl IntoIterator<Item = Fit>) -> Vec<String> {
    labels(
        &fits
            .into_iter()
            .map(|fit| instantiate(fit).unwrap())
            .collect::<Vec<_>>(),
    )
}

#[test]
fn variants_are_named_with_what_differs_in_them() {
    let sgd = |momentum| Optimizer::Sgd {
        momentum,
        nesterov: true,
    };
    let adam = Optimizer::Adam {
        beta: 0.9,
        epsilon: 1e-8,
    };
    let all = [sgd(0.5), sgd(0.9), adam.clone(), Optimizer::Plain];
    let wanted = [
        "optimizer=Sgd,momentum=0.5",
        "optimizer=Sgd,momentum=0.9",
        "optimizer=Adam",
        "optimizer=Plain",
    ];
    assert_eq!(labels_of(all.map(fit_of)), wanted);
    // With a single variant, only its fields.
    assert_eq!(
        labels_of([0.5, 0.9].map(sgd).map(fit_of)),
        ["momentum=0.5", "momentum=0.9"]
    );
    let fallback = |fallback| Fit {
        fallback,
        ..fit_of(Optimizer::Plain)
    };
    let all = [None, Some(Optimizer::Plain), Some(adam)];
    let wanted = ["fallback=null", "fallback=Plain", "fallback=Adam"];
    assert_eq!(labels_of(all.map(fallback)), wanted);
}

#[test]
fn lists_of_dependencies_are_told_in_short() {
    let train = |seed: u32, rate: f64| instantiate(Train::new(some_data(seed), rate)).unwrap();
    let many =
        |count: u32, rate: f64| -> Vec<_> { (0..count).map(|seed| train(seed, rate)).collect() };
    let fit = |runs| Fit {
        runs,
        ..fit_of(Optimizer::Plain)
    };
    // Fifty equal differences count as one.
    let all = [0.1, 0.5].map(|rate| fit(many(50, rate)));
    assert_eq!(labels_of(all), ["rate=0.1", "rate=0.5"]);
    // A list is shown by its length if only that differs.
    let all = [1, 2, 50].map(|count| fit(many(count, 0.1)));
    assert_eq!(
        labels_of(all),
        ["runs=[1 train]", "runs=[2 train]", "runs=[50 train]"]
    );
    let named = |runs: Vec<_>| Fit {
        named: labelled(&runs).unwrap(),
        ..fit_of(Optimizer::Plain)
    };
    let all = [2, 3].map(|count| named(many(count, 0.1)));
    assert_eq!(labels_of(all), ["named=[2 train]", "named=[3 train]"]);
    // If every field differs everywhere, a few of them are shown.
    let all = (0..3).map(|at| {
        fit((0..40)
            .map(|run| train(run, f64::from(at * 40 + run)))
            .collect())
    });
    for label in labels_of(all) {
        assert!(label.len() < 60, "{label}");
    }
}

#[test]
fn what_long_values_have_alike_is_left_out() {
    let at = |path: &str| Fit {
        path: path.to_owned(),
        ..fit_of(Optimizer::Plain)
    };
    let all =
        ["first.csv", "second.csv"].map(|name| at(&format!("/data/{}/{name}", "x/".repeat(40))));
    assert_eq!(labels_of(all), ["path=..first.csv", "path=..second.csv"]);
}

#[test]
fn long_values_are_cut_and_still_told_apart() {
    let train = |optimizer: &str| {
        let optimizer = optimizer.to_owned();
        instantiate(Train {
            optimizer,
            ..Train::new(some_data(1), 0.5)
        })
        .unwrap()
    };
    let (one, other) = ("ä".repeat(100), format!("{}x", "ä".repeat(99)));
    let drefs = [train(&one), train(&other), train("a, b")];
    let labels = labels(&drefs);
    for (label, dref) in labels.iter().zip(&drefs).take(2) {
        let hash = &dref.to_string()["dref:".len()..][..8];
        assert_eq!(*label, format!("optimizer={}..#{hash}", "ä".repeat(40)));
    }
    assert_eq!(labels[2], "optimizer=\"a, b\"");
}

#[test]
fn realizations_of_one_derivation_are_told_apart() {
    let (_folder, store) = scratch();
    let plan = instantiate(Train::new(some_data(1), 0.5)).unwrap();
    let runs = store.realize(&plan.with_matcher(matcher::all())).unwrap();
    let labels = store.labels(&runs).unwrap();
    for (label, run) in labels.iter().zip(&runs) {
        assert_eq!(
            *label,
            format!("train#{}", &run.to_string()["rref:".len()..][..8])
        );
    }
}

#[test]
fn one_point_twice() {
    let runs = sweep([0.1, 0.5, 0.1], |rate| Train::new(some_data(1), rate)).unwrap();
    let error = labelled(&runs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_says(
        &error,
        &[
            &runs[0].to_string(),
            "is in this list twice",
            "help: two points give",
        ],
    );
}

#[test]
fn a_point_that_cannot_be() {
    let error = sweep([0.1, f64::NAN], |rate| Train::new(some_data(1), rate)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["`rate`"]);
}

#[test]
fn what_is_not_in_the_store_has_no_label() {
    let (_folder, store) = scratch();
    let plan = instantiate(Train::new(some_data(1), 0.5)).unwrap();
    let error = store.labels([&plan]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    // A dependency whose config is unknown is shown by its hash.
    let configs = [1, 2].map(|number| {
        let text = format!("{{\"name\": \"a\", \"on\": \"dref:{number:032}-b\"}}");
        ConfigJson::from_json(&text).unwrap()
    });
    configs
        .iter()
        .for_each(|config| store.plumbing().add_derivation(config).unwrap());
    let labels = store.labels(configs.iter().map(ConfigJson::id)).unwrap();
    assert_eq!(labels.iter().collect::<HashSet<_>>().len(), 2, "{labels:?}");
    assert!(labels[0].starts_with("on=b#"), "{labels:?}");
}

/// A chain in which every link reaches the previous one in two ways.
#[derive(Config)]
struct Chain {
    #[dref]
    left: Option<DRef<Chain>>,
    #[dref]
    right: Option<DRef<Chain>>,
    number: u32,
}

#[stage]
fn chain(_: &Build<Chain>) -> Result<()> {
    Ok(())
}

#[test]
fn as_many_ways_as_there_are_take_no_longer() {
    let chain = |first: u32| {
        let start = instantiate(Chain::new(None, None, first)).unwrap();
        (0..60).fold(start, |last, _| {
            instantiate(Chain::new(Some(last.clone()), Some(last), 0)).unwrap()
        })
    };
    assert_eq!(labels(&[chain(1), chain(2)]), ["number=1", "number=2"]);
}

proptest! {
    #[test]
    fn a_grid_has_each_combination_once(a in 0_usize..5, b in 0_usize..5, c in 0_usize..5) {
        let points = grid((0..a, vec!['x'; b].into_iter().enumerate(), 0..c));
        prop_assert_eq!(points.len(), a * b * c);
        let mut sorted = points.clone();
        sorted.sort();
        sorted.dedup();
        prop_assert_eq!(points, sorted);
    }

    #[test]
    fn different_derivations_have_different_labels(
        configs in proptest::collection::vec((0_u32..3, 0_u32..3, "[ab,= ]{0,2}"), 1..8)
    ) {
        let drefs: Vec<_> = configs
            .into_iter()
            .map(|(size, rate, optimizer)| {
                let train = Train { optimizer, ..Train::new(some_data(size), f64::from(rate)) };
                instantiate(train).unwrap()
            })
            .collect();
        let labels = labels(&drefs);
        for (one, label) in drefs.iter().zip(&labels) {
            for (other, other_label) in drefs.iter().zip(&labels) {
                prop_assert_eq!(one == other, label == other_label, "{:?}", labels);
            }
        }
    }
}
