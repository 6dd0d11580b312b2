//! Untyped lenses: every kind of path, and the errors of invalid paths.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::ErrorKind;
use pylightnix::config::ConfigJson;
use pylightnix::prelude::*;
use pylightnix::store::{Context, Lens};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use tests::runs::{assert_says, scratch};
use tests::store::{config, forget_context, publish_texts};

/// A dependency.
#[derive(Config)]
struct Data {
    #[selfref("data.txt")]
    data: SelfRef<Text>,
    size: u32,
}

#[stage(many, nouts = 2, matcher = all())]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let data = b.data.save(&format!("{} {}", b.size, b.index()))?;
    Ok(DataOutputs { data })
}

/// A stage with each kind of field.
#[derive(Config)]
struct Train {
    #[selfref("scores.json")]
    scores: SelfRef<Json<BTreeMap<String, Vec<f64>>>>,
    #[selfref("model")]
    model: SelfRef,
    #[dref]
    one: DRef<Data>,
    #[dref]
    many: DRef<Data, Many>,
    #[dref]
    file: RefPath<Text>,
    #[dref]
    listed: Vec<DRef<Data>>,
    #[dref]
    named: BTreeMap<String, DRef<Data>>,
    #[dref]
    none: Option<DRef<Data>>,
    rate: f64,
    table: BTreeMap<String, Vec<u32>>,
}

#[stage]
fn train(b: &Build<Train>) -> Result<()> {
    let scores = BTreeMap::from([("accuracy".to_owned(), vec![0.5, 0.75])]);
    let _ = b.scores.save(&scores)?;
    fs::create_dir(b.model.path())?;
    fs::write(b.model.path().join("weights.txt"), "1 2 3")?;
    fs::write(b.model.path().join("meta.json"), "{\"layers\": 3}")?;
    Ok(())
}

fn trained() -> (tempfile::TempDir, Store, RRef<Train>) {
    let (folder, store) = scratch();
    let one = instantiate(Data::new(3)).unwrap().latest();
    let many = instantiate(Data::new(4)).unwrap();
    let named = BTreeMap::from([("a b".to_owned(), one.clone())]);
    let table = BTreeMap::from([("x".to_owned(), vec![7, 8])]);
    let config = Train::new(
        one.clone(),
        many,
        one.data.clone(),
        vec![one.clone()],
        named,
        None,
        0.5,
        table,
    );
    let rref = store.realize(&instantiate(config).unwrap()).unwrap();
    (folder, store, rref)
}

#[test]
fn every_way() {
    let (_folder, store, run) = trained();
    let lens = store.lens(&run).unwrap();
    let get = |way: &str| lens.get(way).unwrap();
    assert_eq!(
        lens.names().unwrap(),
        [
            "scores", "model", "one", "many", "file", "listed", "named", "none", "rate", "table"
        ]
    );
    assert_eq!(
        (lens.rref().unwrap(), lens.dref().unwrap()),
        (run.id().clone(), run.id().dref().clone())
    );
    assert_eq!(lens.path().unwrap(), run.path());
    assert_eq!(lens.closure().unwrap(), store.closure(&run).unwrap());
    assert_eq!(lens.value::<serde_json::Value>().unwrap()["rate"], 0.5);
    assert_eq!(get("name").value::<String>().unwrap(), "train");
    // Plain values.
    assert_eq!(get("rate").value::<f64>().unwrap(), 0.5);
    assert_eq!(get("table.x[1]").value::<u32>().unwrap(), 8);
    assert_eq!(
        get("table")
            .get("x")
            .unwrap()
            .get("[0]")
            .unwrap()
            .value::<u32>()
            .unwrap(),
        7
    );
    assert_eq!(get("table.x").names().unwrap(), ["0", "1"]);
    assert_eq!(get("none").value::<Option<u32>>().unwrap(), None);
    // Dependencies.
    for way in ["one", "listed[0]", "listed.0", "named[\"a b\"]"] {
        assert_eq!(get(way).rref().unwrap(), *run.one.id(), "{way}");
        assert_eq!(get(way).rrefs().unwrap(), [run.one.id().clone()], "{way}");
        assert_eq!(
            get(&format!("{way}.size")).value::<u32>().unwrap(),
            3,
            "{way}"
        );
        assert_eq!(
            get(&format!("{way}.data")).contents().unwrap(),
            run.one.data.load().unwrap()
        );
    }
    let many: Vec<_> = run.many.iter().map(|run| run.id().clone()).collect();
    assert_eq!(get("many").rrefs().unwrap(), many);
    assert_eq!(get("many").dref().unwrap(), *many[0].dref());
    assert_eq!(get("many").names().unwrap(), ["0", "1"]);
    assert_eq!(
        get("many[1].data").contents().unwrap(),
        run.many[1].data.load().unwrap()
    );
    // Artifacts.
    assert_eq!(get("file").path().unwrap(), run.one.data.path());
    assert_eq!(get("file").rref().unwrap(), *run.one.id());
    assert_eq!(
        get("file").refpath().unwrap(),
        (run.one.id().dref().clone(), "data.txt".to_owned())
    );
    assert_eq!(get("scores").path().unwrap(), run.scores.path());
    assert_eq!(
        get("scores").value::<BTreeMap<String, Vec<f64>>>().unwrap(),
        run.scores.load().unwrap()
    );
    assert_eq!(get("scores.accuracy[1]").value::<f64>().unwrap(), 0.75);
    assert_eq!(get("scores").names().unwrap(), ["accuracy"]);
    assert_eq!(get("model").names().unwrap(), ["meta.json", "weights.txt"]);
    assert_eq!(get("model[\"weights.txt\"]").contents().unwrap(), "1 2 3");
    assert_eq!(
        get("model[\"meta.json\"].layers").value::<u32>().unwrap(),
        3
    );
    assert!(lens.opt("nothing").unwrap().is_none());
    assert!(lens.opt("rate").unwrap().is_some());
}

#[test]
fn from_a_derivation() {
    let (_folder, store, run) = trained();
    let lens = store.lens(run.id().dref()).unwrap();
    assert_eq!(lens.get("one.size").unwrap().value::<u32>().unwrap(), 3);
    assert_eq!(
        lens.get("one").unwrap().dref().unwrap(),
        *run.one.id().dref()
    );
    assert_eq!(
        lens.get("listed[0].data").unwrap().refpath().unwrap().1,
        "data.txt"
    );
    // Paths through derivations lead to nothing realized.
    let refused = |way: &str, why: &str| {
        let lens = lens.get(way).unwrap();
        for error in [
            lens.rref().unwrap_err(),
            lens.path().unwrap_err(),
            lens.contents().unwrap_err(),
        ] {
            assert_says(&error, &[&run.id().dref().to_string(), way, why]);
        }
    };
    refused("one", "is a derivation, and not a");
    refused("file", "no realization of it is chosen, and not a");
    assert_says(
        &lens.rref().unwrap_err(),
        &["is a derivation, and not a realization"],
    );
    assert_says(
        &lens.get("scores.accuracy").unwrap_err(),
        &["no realization of it is chosen"],
    );
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (_folder, store, run) = trained();
    let lens = store.lens(&run).unwrap();
    let nothing = |way: &str, why: &str| {
        let error = lens.get(way).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
        assert_says(&error, &[&run.to_string(), why]);
        assert!(lens.opt(way).unwrap().is_none());
    };
    nothing(
        "ratee",
        "there is no `ratee`: there is `scores`, `model`, `one`",
    );
    nothing("one.siz", "there is no `one.siz`: there is `data`, `size`");
    nothing(
        "many.size",
        "there is no `many.size`: there are 2 realizations: choose one by its index, as in `[0]`",
    );
    nothing("many[2]", "there are 2 realizations");
    nothing(
        "table.x[2]",
        "there is no `table.x[2]`: it is a list of 2 items",
    );
    nothing("table[0]", "it is an object, not a list");
    nothing("table.y", "there is `x`");
    nothing(
        "rate.x",
        "there is no `rate.x`: it is a number, which has no parts",
    );
    nothing("model.weights", "there is `meta.json`, `weights.txt`");
    nothing("model[0]", "there is `meta.json`");
    nothing("model[\"..\"]", "there is `meta.json`");
    nothing("scores.loss", "there is `accuracy`");
    let error = lens.get("a..b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reference);
    assert!(lens.opt("a..b").is_err());
    let error = lens.get("file.x").unwrap_err();
    assert_says(&error, &["data.txt is not valid JSON"]);
}

#[test]
fn what_it_is_not() {
    let (_folder, store, run) = trained();
    let lens = store.lens(&run).unwrap();
    let get = |way: &str| lens.get(way).unwrap();
    let says = |error: pylightnix::Error, why: &str| assert_says(&error, &[&run.to_string(), why]);
    says(
        get("rate").rref().unwrap_err(),
        "`rate` is a plain value, and not a realization",
    );
    says(get("rate").path().unwrap_err(), "and not a path");
    says(get("rate").dref().unwrap_err(), "and not a derivation");
    says(get("rate").refpath().unwrap_err(), "and not an artifact");
    says(
        get("many").rref().unwrap_err(),
        "is 2 realizations of a dependency, and not a realization",
    );
    says(get("many").value::<u32>().unwrap_err(), "and not a value");
    says(
        get("rate").value::<String>().unwrap_err(),
        "`rate` is not a `alloc::string::String`",
    );
    assert!(get("model").contents().is_err());
    assert!(get("model").value::<u32>().is_err());
}

#[test]
fn configs_of_other_programs() {
    let (_folder, store) = scratch();
    let params = config("params");
    let made = publish_texts(&store, &params, &Context::empty(), &[]);
    let text = json!({
        "name": "other", "drefs": [params.id()], "deep": {"self": ["__self__", "a", "b"]},
        "words": ["a", "b"], "empty": []
    });
    let config = ConfigJson::from_json(&text.to_string()).unwrap();
    let context = Context::from_iter([made]);
    let rref = publish_texts(&store, &config, &context, &[("a/b", "text")]);
    let rref = forget_context(&store, &rref);
    let lens: Lens = store.lens(&rref).unwrap();
    assert_eq!(lens.get("deep.self").unwrap().contents().unwrap(), "text");
    assert_eq!(
        lens.get("words[1]").unwrap().value::<String>().unwrap(),
        "b"
    );
    assert_eq!(
        lens.get("empty").unwrap().names().unwrap(),
        Vec::<String>::new()
    );
    // A record without the choice for a dependency.
    let error = lens.get("drefs[0].x").unwrap_err();
    assert_says(&error, &["there are 0 realizations"]);
    // Through a derivation that is not in the store.
    fs::rename(store.derivation_dir(params.id()), store.root().join("away")).unwrap();
    let error = store
        .lens(config.id())
        .unwrap()
        .get("drefs[0]")
        .unwrap_err();
    assert_says(&error, &[&format!("{} is not in the store", params.id())]);
}
