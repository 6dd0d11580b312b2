//! Finding realizations: each condition, laziness, corrupt and removed realizations, typed results.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use jiff_free::ago;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::{BuildKind, BuildRecord, Context, Find, Outcome};
use pylightnix::{Error, ErrorKind};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tests::runs::{assert_says, in_memory, scratch};
use tests::store::{built, config, publish_texts};

/// Times, without a dependency on `jiff`.
mod jiff_free {
    use pylightnix::store::BuildRecord;

    /// Moves the end of a build this number of hours into the past.
    pub(super) fn ago(mut build: BuildRecord, hours: u64) -> BuildRecord {
        build.stop -= std::time::Duration::from_secs(hours * 3600);
        build
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn json_config(value: &serde_json::Value) -> ConfigJson {
    ConfigJson::from_json(&value.to_string()).unwrap()
}

fn publish(store: &Store, config: &ConfigJson, build: &BuildRecord, text: &str) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("result.json"), text).unwrap();
    let published = draft.publish(config, &Context::empty(), Outcome::Ok, build);
    published.unwrap().id
}

fn ids(find: Find<'_>) -> Vec<RRefId> {
    let found = find.run().unwrap();
    found.map(|found| found.unwrap().id().clone()).collect()
}

fn only(rref: &RRefId) -> Vec<RRefId> {
    vec![rref.clone()]
}

#[test]
fn by_name() {
    let (_folder, store) = scratch();
    let names = ["anneal", "annual", "plot"];
    let all = names.map(|name| publish(&store, &config(name), &built(), "1"));
    let mut sorted = all.to_vec();
    sorted.sort_by_key(|rref| (rref.dref().clone(), rref.clone()));
    assert_eq!(ids(store.find()), sorted);
    assert_eq!(ids(store.find().name("ann*")).len(), 2);
    assert_eq!(ids(store.find().name("anneal")), only(&all[0]));
    assert_eq!(
        ids(store.find().name("ann*").name("*l").name("?nn??l")).len(),
        2
    );
    assert_eq!(ids(store.find().name("{plot,other}")), only(&all[2]));
    assert_eq!(ids(store.find().name("none")), []);
}

#[test]
fn by_age() {
    let (_folder, store) = scratch();
    let ages = [1, 5, 9];
    let all = ages.map(|hours| {
        let text = hours.to_string();
        publish(&store, &config("a"), &ago(built(), hours), &text)
    });
    let sorted = |mut rrefs: Vec<RRefId>| {
        rrefs.sort();
        rrefs
    };
    assert_eq!(ids(store.find().newer_than(HOUR * 3)), only(&all[0]));
    assert_eq!(ids(store.find().older_than(HOUR * 7)), only(&all[2]));
    assert_eq!(
        ids(store.find().older_than(HOUR * 3).newer_than(HOUR * 7)),
        only(&all[1])
    );
    assert_eq!(
        ids(store.find().newer_than(Duration::MAX)),
        sorted(all.to_vec())
    );
    assert_eq!(ids(store.find().older_than(Duration::MAX)), []);
    // An acceptance makes it new.
    let accepted = BuildRecord::now(BuildKind::Accept);
    store
        .plumbing()
        .add_build(&all[2], &accepted, None)
        .unwrap();
    assert_eq!(
        ids(store.find().newer_than(HOUR * 3)),
        sorted(vec![all[0].clone(), all[2].clone()])
    );
    // Without build records, its age is unknown.
    for entry in fs::read_dir(store.realization_dir(&all[0])).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "json") {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(ids(store.find().newer_than(HOUR * 3)), only(&all[2]));
}

#[test]
fn by_field() {
    let (_folder, store) = scratch();
    let one = json!({
        "name": "train", "rate": 0.5, "epochs": 500, "lr": {"steps": [1, 2]}, "mode": "slow", "none": null
    });
    let two = json!({"name": "train", "rate": 5e-1, "epochs": 501, "layers": [1, 2.0]});
    let [one, two] = [one, two].map(|value| publish(&store, &json_config(&value), &built(), "1"));
    let find = |path: &str, value: serde_json::Value| ids(store.find().field(path, value));
    assert_eq!(find("epochs", json!(500)), only(&one));
    assert_eq!(find("epochs", json!(500.0)), only(&one));
    assert_eq!(find("rate", json!(0.5)).len(), 2);
    assert_eq!(find("lr.steps[1]", json!(2)), only(&one));
    assert_eq!(find("lr.steps.1", json!(2)), only(&one));
    assert_eq!(find("layers", json!([1.0, 2])), only(&two));
    assert_eq!(find("mode", json!("slow")), only(&one));
    assert_eq!(find("none", json!(null)), [one]);
    assert_eq!(find("name", json!("train")).len(), 2);
    for (path, value) in [
        ("epochs", json!("500")),
        ("epoch", json!(500)),
        ("lr.steps[2]", json!(2)),
        ("lr.steps.x", json!(2)),
        ("mode.x", json!(1)),
    ] {
        assert_eq!(find(path, value), [], "{path}");
    }
    assert_eq!(
        ids(store.find().field("rate", 0.5).field("epochs", 501)),
        [two]
    );
}

/// A stage with a field that was added later.
#[derive(Config)]
struct Train {
    #[selfref("result.json")]
    result: SelfRef<Json<Scores>>,
    rate: f64,
    #[config(default = 10, omit_default)]
    epochs: u32,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Scores {
    scores: BTreeMap<String, f64>,
}

#[stage]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let accuracy = 1. - b.rate / f64::from(b.epochs);
    let scores = BTreeMap::from([("accuracy".to_owned(), accuracy)]);
    Ok(TrainOutputs {
        result: b.result.save(&Scores { scores })?,
    })
}

#[test]
fn by_a_field_that_the_config_leaves_out() {
    let (_folder, store) = scratch();
    let usual = store
        .realize(&instantiate(Train::new(0.5)).unwrap())
        .unwrap();
    let long = Train {
        epochs: 100,
        ..Train::new(0.5)
    };
    let long = store.realize(&instantiate(long).unwrap()).unwrap();
    assert_eq!(ids(store.find().field("epochs", 10)), [usual.id().clone()]);
    assert_eq!(ids(store.find().field("epochs", 100)), [long.id().clone()]);
    assert_eq!(ids(store.find().field("epochs", 11)), []);
}

#[test]
fn by_metric() {
    let (_folder, store) = scratch();
    let texts = [
        "{\"scores\": {\"accuracy\": 0.9}}",
        "{\"scores\": {\"accuracy\": 0.5}}",
        "{\"scores\": {\"accuracy\": null}}",
        "{\"scores\": {}}",
        "[1]",
    ];
    let all = texts.map(|text| publish(&store, &config("a"), &built(), text));
    publish_texts(&store, &config("b"), &Context::empty(), &[("other", "{")]);
    let find = || store.find().name("*");
    let metric = "scores.accuracy";
    assert_eq!(
        ids(find().metric("result.json", metric, 0.6..)),
        only(&all[0])
    );
    assert_eq!(
        ids(find().metric("result.json", metric, ..=0.5)),
        only(&all[1])
    );
    let mut found: Vec<_> = find()
        .metric("result.json", metric, ..)
        .run()
        .unwrap()
        .map(|found| found.unwrap().metrics()[0])
        .collect();
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [0.5, 0.9]);
    assert_eq!(
        ids(find().metric("result.json", "[0]", 1.0..2.0)),
        only(&all[4])
    );
    // An artifact that is a number.
    let whole = publish(&store, &config("c"), &built(), "3.5");
    assert_eq!(
        ids(store.find().name("c").metric("result.json", "", 3.0..)),
        only(&whole)
    );
    assert_eq!(
        ids(store.find().name("c").metric("result.json", "", 4.0..)),
        []
    );
    assert_eq!(ids(find().metric("none.json", metric, ..)), []);
    assert_eq!(ids(find().metric("result.json/x", metric, ..)), []);
}

#[test]
fn what_is_no_metric_is_an_error_and_the_search_goes_on() {
    let (_folder, store) = scratch();
    let texts = ["{\"a\": 1}", "{\"a\": \"1\"}", "{\"a\": [", ""];
    let all = texts.map(|text| publish(&store, &config("a"), &built(), text));
    let found: Vec<_> = store
        .find()
        .metric("result.json", "a", ..)
        .run()
        .unwrap()
        .collect();
    assert_eq!(found.len(), 4);
    let good: Vec<_> = found
        .iter()
        .filter_map(|found| found.as_ref().ok())
        .collect();
    assert_eq!((good.len(), good[0].id()), (1, &all[0]));
    let said: Vec<_> = found
        .iter()
        .filter_map(|found| found.as_ref().err())
        .collect();
    let about = |rref: &RRefId| -> &Error {
        let folder = rref.folder();
        let mut said = said.iter();
        said.find(|error| error.to_string().contains(&folder))
            .unwrap()
    };
    assert_says(about(&all[1]), &["is not a number", "help: give the path"]);
    assert_says(about(&all[2]), &["result.json is not valid JSON"]);
    assert_says(about(&all[3]), &["result.json is not valid JSON"]);
}

#[test]
fn conditions_that_cannot_be() {
    let (_folder, store) = scratch();
    let cases: [(Find<'_>, &str); 6] = [
        (store.find().name("a b"), "a name cannot contain ' '"),
        (store.find().name("{a"), "a `}` is missing"),
        (
            store.find().field("a..b", 1),
            "\"a..b\" is not a valid path",
        ),
        (
            store.find().metric("x", "a..b", ..),
            "\"a..b\" is not a valid path",
        ),
        (
            store.find().metric("../record", "a", ..),
            "is not a path of an artifact",
        ),
        (
            store.find().field("a", BTreeMap::from([(vec![1], 1)])),
            "cannot be written as JSON",
        ),
    ];
    for (find, why) in cases {
        assert_says(&find.run().unwrap_err(), &[why]);
    }
}

#[test]
fn what_is_broken_is_an_error_in_its_place() {
    let (_folder, store) = scratch();
    let all = ["a", "b", "c"].map(|name| publish(&store, &config(name), &built(), "1"));
    let record = store.realization_dir(&all[0]).join("record");
    fs::remove_file(&record).unwrap();
    fs::write(record, "nonsense").unwrap();
    let json = store.derivation_dir(all[1].dref()).join("config.json");
    fs::remove_file(&json).unwrap();
    fs::write(json, "{}").unwrap();
    // Files that are not read may be missing.
    assert_eq!(ids(store.find()).len(), 3);
    let run = |find: Find<'_>| -> (Vec<RRefId>, Vec<Error>) {
        let (good, bad): (Vec<_>, Vec<_>) = find.run().unwrap().partition(Result::is_ok);
        let good = good.into_iter().map(|found| found.unwrap().id().clone());
        (
            good.collect(),
            bad.into_iter().filter_map(Result::err).collect(),
        )
    };
    let (good, bad) = run(store.find().outcome(Outcome::Ok));
    assert_eq!((good.len(), bad.len()), (2, 1));
    assert_says(&bad[0], &[&all[0].to_string(), "is broken"]);
    let (good, bad) = run(store.find().field("name", "c"));
    assert_eq!((good, bad.len()), (vec![all[2].clone()], 1));
    assert_says(
        &bad[0],
        &["is not the config of", &all[1].dref().to_string()],
    );
    // Foreign names in the store are ignored.
    fs::create_dir(store.root().join("store-v1/notes")).unwrap();
    fs::write(store.derivation_dir(all[2].dref()).join("notes.txt"), "").unwrap();
    assert_eq!(ids(store.find()).len(), 3);
}

#[test]
fn failures_are_told_apart() {
    let (_folder, store) = scratch();
    let good = publish(&store, &config("a"), &built(), "1");
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("error.txt"), "no").unwrap();
    let failed = draft.publish(&config("a"), &Context::empty(), Outcome::Failed, &built());
    let failed = failed.unwrap().id;
    assert_eq!(ids(store.find().outcome(Outcome::Ok)), [good]);
    assert_eq!(ids(store.find().outcome(Outcome::Failed)), [failed]);
    assert_eq!(ids(store.find()).len(), 2);
}

#[test]
fn it_comes_one_by_one() {
    let (_folder, store) = in_memory();
    let all = ["a", "b", "c"].map(|name| publish(&store, &config(name), &built(), "1"));
    let mut order = all.to_vec();
    order.sort_by_key(|rref| rref.dref().clone());
    let mut found = store.find().newer_than(HOUR).run().unwrap();
    assert_eq!(found.next().unwrap().unwrap().id(), &order[0]);
    // A derivation that is removed during the search is skipped.
    fs::remove_dir_all(store.derivation_dir(order[1].dref())).unwrap();
    assert_eq!(found.next().unwrap().unwrap().id(), &order[2]);
    assert!(found.next().is_none() && found.next().is_none());
}

#[test]
fn with_types() {
    let (_folder, store) = scratch();
    let rates = [0.1, 0.2, 0.3];
    let plans: Vec<_> = rates
        .iter()
        .map(|rate| instantiate(Train::new(*rate)).unwrap())
        .collect();
    let made = store.realize(&plans).unwrap();
    publish(&store, &config("other"), &built(), "1");
    let mut found: Vec<RRef<Train>> = store
        .find()
        .stage::<Train>()
        .run()
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    found.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    assert_eq!(found, made);
    assert!(found[0].result.load().unwrap().scores["accuracy"] > 0.98);
    let few = store
        .find()
        .field("rate", 0.2)
        .stage::<Train>()
        .run()
        .unwrap();
    assert_eq!(few.map(|run| run.unwrap().rate).collect::<Vec<_>>(), [0.2]);
    // A stage with this name from another program.
    let foreign = json_config(&json!({"name": "train", "rate": "fast"}));
    publish(&store, &foreign, &built(), "1");
    let (good, bad): (Vec<_>, Vec<_>) = store
        .find()
        .stage::<Train>()
        .run()
        .unwrap()
        .partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (3, 1));
    let error = bad.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &[&foreign.id().to_string(), "does not fit"]);
}

/// Publishes results of two stages, one made from the other.
fn scored(store: &Store) -> Vec<RRefId> {
    let data = json_config(&json!({"name": "data", "path": "march.csv"}));
    let march = publish(store, &data, &built(), "{}");
    let scores = [0.5, 0.9, 0.96];
    let train = |score: f64| {
        let config = json!({"name": "train", "rate": score / 10., "on": data.id().to_string()});
        let text = json!({"accuracy": score, "loss": [3, 2, 1.5 - score]}).to_string();
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("result.json"), text).unwrap();
        let from = Context::from_iter([march.clone()]);
        let published = draft.publish(&json_config(&config), &from, Outcome::Ok, &built());
        published.unwrap().id
    };
    scores.into_iter().map(train).collect()
}

#[test]
fn by_conditions_as_tables_take_them() {
    let (_folder, store) = scratch();
    let all = scored(&store);
    let sorted = |mut rrefs: Vec<RRefId>| {
        rrefs.sort_by_key(|rref| (rref.dref().clone(), rref.clone()));
        rrefs
    };
    let table = |condition: &str| {
        let mut table = store.compare(&all).unwrap();
        table.retain(condition).map(|()| {
            let rows = table.rows.iter().map(|row| row.rref.clone());
            sorted(rows.collect())
        })
    };
    for (condition, count) in [
        ("result.accuracy > 0.8", 2),
        ("result.accuracy<=0.5", 1),
        ("result.loss < 0.9", 2),
        ("rate = 0.05", 1),
        ("rate != 0.05", 2),
        ("bytes > 10", 3),
        ("ended = ok", 3),
        ("built ~ 20", 3),
    ] {
        let found = ids(store.find().name("train").meets(condition));
        assert_eq!(found.len(), count, "{condition}");
        // A property that is equal in all rows is not a column.
        if condition != "ended = ok" {
            assert_eq!(table(condition).unwrap(), found, "{condition}");
        }
    }
    assert_eq!(ids(store.find().meets("on.path ~ march")).len(), 3);
    assert_eq!(ids(store.find().meets("path ~ march")).len(), 1);
    assert_eq!(table("on ~ data").unwrap().len(), 3);
    let wrong = store.find().meets("rate").run().unwrap_err();
    assert_says(&wrong, &["\"rate\" is not a condition", "rate >= 0.1"]);
    let wrong = store.find().meets("result.accuracy").run().unwrap_err();
    let same = table("result.accuracy").unwrap_err();
    assert_eq!(wrong.kind(), same.kind());
    let derivation = ids(store.find().derivation(all[0].dref()));
    assert_eq!(derivation, only(&all[0]));
}

#[test]
fn what_is_named_and_not_there_is_told_with_what_is_near() {
    let (_folder, store) = scratch();
    let hints = |find: Find<'_>| {
        let mut finding = find.run().unwrap();
        assert!(finding.next().is_none());
        finding.hints().unwrap()
    };
    assert_eq!(hints(store.find().name("x")), ["this store is empty"]);
    scored(&store);
    let find = || store.find().name("train");
    for (find, said) in [
        (
            store.find().name("trian"),
            "nothing is named `trian`: there is `train`, `data`",
        ),
        (
            find().field("rat", 1),
            "nothing has a field `rat`: there is `rate`, `on`",
        ),
        (find().field("rate", 1), "`rate` is from 0.05 to 0.096"),
        (
            find().metric("results.json", "accuracy", 0.1..),
            "nothing has an artifact `results.json`: there is `result.json`",
        ),
        (
            find().metric("result.json", "accurracy", ..),
            "`result.json:accurracy` is not a number: in `result.json` there is `accuracy`, `loss`",
        ),
        (
            find().metric("result.json", "accuracy", 0.97..),
            "`result.json:accuracy` is from 0.5 to 0.96",
        ),
        (
            find().meets("result.accuracy > 0.97"),
            "`result.accuracy` is from 0.5 to 0.96",
        ),
        (
            find().meets("on.path = april.csv"),
            "`on.path` is march.csv",
        ),
    ] {
        assert_eq!(hints(find), [said]);
    }
    let unknown = hints(find().meets("accuracy > 0.1"));
    assert!(
        unknown[0].starts_with("nothing has `accuracy`: there is `result.accuracy`, "),
        "{unknown:?}"
    );
}

#[test]
fn the_newest_is_found_although_the_clock_of_the_file_system_is_behind() {
    let (_folder, store) = scratch();
    let now = BuildRecord::now(BuildKind::Build);
    let earlier = {
        let mut build = now.clone();
        build.stop -= Duration::from_millis(2);
        build
    };
    let result = |n: u64| json_config(&json!({"name": "fit", "n": n}));
    let old = publish(&store, &result(1), &earlier, "1");
    let new = publish(&store, &result(2), &now, "2");
    // Both folders are from the tick before, that of the older result a little later.
    for (rref, behind) in [(&old, 3), (&new, 4)] {
        let folder = store.derivation_dir(rref.dref());
        let folder = fs::File::open(folder).unwrap();
        let stop = std::time::SystemTime::from(now.stop);
        folder
            .set_modified(stop - Duration::from_millis(behind))
            .unwrap();
    }
    let at = |text: &str| store.refer_to_realization(text).unwrap();
    assert_eq!((at("fit"), at("fit@2")), (new, old));
}
