//! Typed views of realizations, whichever program made them: with later versions of the types, and with types that do not
//! fit.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::config::{DRefId, RRefId};
use pylightnix::lens::Many;
use pylightnix::prelude::*;
use pylightnix::{Error, ErrorKind};
use std::collections::BTreeMap;
use tests::runs::{assert_says, scratch};

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
    #[selfref("model.txt")]
    model: SelfRef<Text>,
    #[dref]
    one: DRef<Data>,
    #[dref]
    file: RefPath<Text>,
    rate: f64,
    layers: Vec<u32>,
    #[config(default = 10, omit_default)]
    epochs: u32,
    #[config(default = 1, unhashed)]
    threads: usize,
}

#[stage]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let model = b
        .model
        .save(&format!("{} {}", b.one.data.load()?, b.rate))?;
    Ok(TrainOutputs { model })
}

fn trained(store: &Store) -> RRef<Train> {
    let data = instantiate(Data::new(3)).unwrap().latest();
    let file = data.data.clone();
    store
        .realize(&instantiate(Train::new(data, file, 0.5, vec![4, 5])).unwrap())
        .unwrap()
}

#[track_caller]
fn unfit<C: Config>(store: &Store, id: &RRefId, what: &[&str]) -> Error {
    let Err(error) = store.realization_as::<C>(id) else {
        panic!("it was opened")
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["the stored config of dref:", "does not fit `"]);
    assert_says(&error, what);
    error
}

#[test]
fn what_was_realized_is_opened_as_it_was() {
    let (_folder, store) = scratch();
    let rref = trained(&store);
    let id: RRefId = rref.to_string().parse().unwrap();
    // Through another handle, as in another process.
    let store = Store::open(store.root()).unwrap();
    let opened = store.realization_as::<Train>(&id).unwrap();
    assert_eq!(opened, rref);
    assert_eq!((opened.rate, opened.epochs, opened.threads), (0.5, 10, 1));
    assert_eq!(opened.layers, [4, 5]);
    assert_eq!(opened.one, rref.one);
    assert_eq!(opened.model.load().unwrap(), rref.model.load().unwrap());
    assert_eq!(opened.file.load().unwrap(), opened.one.data.load().unwrap());
    assert_eq!(opened.builds(), rref.builds());
    assert_eq!(
        opened.context().collect::<Vec<_>>(),
        rref.context().collect::<Vec<_>>()
    );
}

#[test]
fn what_is_not_there() {
    let (_folder, store) = scratch();
    let (_elsewhere, other) = scratch();
    let rref = trained(&other);
    let error = store.realization_as::<Train>(&rref).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_says(
        &error,
        &[
            &rref.to_string(),
            "is not in the store",
            "help: realize it, or unpack",
        ],
    );
    let error = store.derivation(rref.id().dref()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_says(
        &error,
        &[&rref.id().dref().to_string(), "is not in the store"],
    );
    // A missing dependency is an error too.
    std::fs::rename(
        other.realization_dir(rref.one.id()),
        other.root().join("away"),
    )
    .unwrap();
    let error = other.realization_as::<Train>(&rref).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_says(&error, &[&rref.one.to_string()]);
}

/// Later versions of the config type.
mod later {
    use super::*;

    /// With an additional field that has a default, another order of fields, and without the `unhashed` field.
    #[derive(Config)]
    pub(super) struct Fits {
        #[config(default = 0.25)]
        pub(super) decay: f64,
        pub(super) layers: Vec<u64>,
        pub(super) rate: f32,
        #[selfref("model.txt")]
        pub(super) model: SelfRef,
        #[dref]
        pub(super) one: DRef<Data>,
        #[dref]
        pub(super) file: RefPath<Text>,
        #[config(default = 12, omit_default)]
        pub(super) epochs: u32,
    }

    /// The dependencies that all of them have.
    macro_rules! types {
        ($($name:ident { $($field:tt)* })*) => {$(
            /// A version that does not fit.
            #[derive(Config)]
            pub(super) struct $name {
                $($field)*
            }
        )*};
    }

    types! {
        WithoutLayers {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            rate: f64,
        }
        WithDecay {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<u32>,
            decay: f64,
        }
        OtherPlain {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<String>,
        }
        OtherPath {
            #[selfref("model.bin")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<u32>,
        }
        NoPromise {
            model: String,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<u32>,
        }
        PlainDependency {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text>,
            #[dref] rate: DRef<Data>,
            layers: Vec<u32>,
        }
        ListDependency {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: Vec<DRef<Data>>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<u32>,
        }
        OtherDependency {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Train>,
            #[dref] file: RefPath<Text>,
            rate: f64,
            layers: Vec<u32>,
        }
        ManyDependencies {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] pub(super) one: DRef<Data, Many>,
            #[dref] pub(super) file: RefPath<Text, Many>,
            rate: f64,
            layers: Vec<u32>,
        }
        Everything {
            #[selfref("model.bin")] model: SelfRef<Text>,
            #[dref] one: Vec<DRef<Data>>,
            #[dref] other: DRef<Data>,
            rate: String,
            layers: Vec<i8>,
            #[config(default = 1)] decay: u32,
        }
        Deep {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<DataNow>,
            #[dref] file: RefPath<Text>,
            rate: u8,
            layers: Vec<u32>,
        }
        DataNow {
            #[selfref("data.txt")] data: SelfRef<Text>,
            seed: u32,
        }
        OneAndMany {
            #[selfref("model.txt")] model: SelfRef<Text>,
            #[dref] one: DRef<Data>,
            #[dref] file: RefPath<Text, Many>,
            rate: f64,
            layers: Vec<u32>,
        }
    }
}

#[test]
fn later_types_that_fit() {
    let (_folder, store) = scratch();
    let rref = trained(&store);
    let opened = store.realization_as::<later::Fits>(&rref).unwrap();
    assert_eq!((opened.decay, opened.rate, opened.epochs), (0.25, 0.5, 12));
    assert_eq!(opened.layers, [4, 5]);
    assert_eq!(opened.one, rref.one);
    assert_eq!(opened.model.path(), rref.model.path());
    // `Many` fits where one realization was chosen.
    let many = store
        .realization_as::<later::ManyDependencies>(&rref)
        .unwrap();
    assert_eq!((many.one.len(), many.file.len()), (1, 1));
    // The reference stays the same, even if the type has new fields.
    assert_eq!(opened.id(), rref.id());
}

#[test]
fn all_that_does_not_fit_is_named_at_once() {
    let (_folder, store) = scratch();
    let rref = trained(&store);
    let error = unfit::<later::Everything>(
        &store,
        rref.id(),
        &[
            "the artifact `model` is at \"model.txt\" in the store, and at \"model.bin\"",
            "the field `one` of the stored config is a string, not a list",
            "the field `other` is not in the stored config",
            "the field `rate` of the stored config does not fit its type: invalid type: floating point",
            "Everything` has no field `file`",
        ],
    );
    assert_eq!(error.parts().len(), 5, "{error:?}");
    // A misfit in a dependency is an error too.
    let Err(error) = store.realization_as::<later::Deep>(&rref) else {
        panic!("it was opened")
    };
    assert_says(
        &error,
        &[
            "2 stored configs do not fit their types",
            &format!("{} does not fit `", rref.one.id().dref()),
            "the field `seed` is not in the stored config",
            "DataNow` has no field `size`",
            &format!("{} does not fit `", rref.id().dref()),
            "the field `rate` of the stored config does not fit",
            "does not fit its type either",
        ],
    );
}

/// A config with nested values.
#[derive(Config)]
struct Nested {
    #[selfref("x")]
    x: SelfRef<Text>,
    lr: BTreeMap<String, Vec<serde_json::Value>>,
    last: u8,
}

#[stage]
fn nested(b: &Build<Nested>) -> Result<NestedOutputs> {
    let x = b.x.save("x")?;
    Ok(NestedOutputs { x })
}

mod nested_types {
    use super::*;

    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    pub(super) struct Rate {
        rate: f64,
        steps: Option<u8>,
    }

    /// A version that fits.
    #[derive(Config)]
    pub(super) struct Fits {
        #[selfref("x")]
        x: SelfRef<Text>,
        lr: BTreeMap<String, Vec<Rate>>,
        last: u8,
    }
}

#[test]
fn a_value_inside_others_is_named_by_its_path() {
    let (_folder, store) = scratch();
    let open = |text: &str| {
        let value = serde_json::from_str(text).unwrap();
        let config = Nested::new(BTreeMap::from([("a b".to_owned(), value)]), 1);
        let rref = store.realize(&instantiate(config).unwrap()).unwrap();
        store.realization_as::<nested_types::Fits>(&rref).map(drop)
    };
    open(r#"[{"rate": 0.5}, {"rate": 0.5, "steps": 255}]"#).unwrap();
    for (text, path, why) in [
        (
            r#"[{"rate": 0.5}, {"rate": "x"}]"#,
            "lr[\"a b\"][1].rate",
            "invalid type: string",
        ),
        (
            r#"[{"rate": 0.5, "steps": 256}]"#,
            "lr[\"a b\"][0].steps",
            "invalid value: integer `256`",
        ),
        (
            r#"[{"rate": 0.5, "steps": [1]}]"#,
            "lr[\"a b\"][0].steps",
            "invalid type: sequence",
        ),
        (
            r#"[{"rate": {"x": 1}}]"#,
            "lr[\"a b\"][0].rate",
            "invalid type: map",
        ),
        (
            r#"[{"rate": 0.5}, {"steps": 1}]"#,
            "lr[\"a b\"][1]",
            "missing field `rate`",
        ),
        (
            r#"[{"rate": 0.5}, 7]"#,
            "lr[\"a b\"][1]",
            "invalid type: integer `7`",
        ),
        (r#"[null]"#, "lr[\"a b\"][0]", "invalid type: null"),
    ] {
        let error = open(text).unwrap_err();
        let said = format!("the field `{path}` of the stored config does not fit its type: ");
        assert_says(&error, &[&said, why]);
    }
}

/// The type of an older program.
#[derive(serde::Serialize, serde::Deserialize)]
struct OldScores {
    accuracy: f64,
}

/// The type of this program.
#[derive(serde::Serialize, serde::Deserialize)]
struct Scores {
    accuracy: f64,
    #[serde(default)]
    loss: Option<f64>,
}

/// The config of the older program.
#[derive(Config)]
struct Score {
    #[selfref("scores.json")]
    scores: SelfRef<Json<OldScores>>,
}

#[stage]
fn score(b: &Build<Score>) -> Result<ScoreOutputs> {
    let scores = b.scores.save(&OldScores { accuracy: 0.5 })?;
    Ok(ScoreOutputs { scores })
}

mod score_now {
    use super::*;

    /// The config of this program.
    #[derive(Config)]
    pub(super) struct Score {
        #[selfref("scores.json")]
        pub(super) scores: SelfRef<Json<Scores>>,
    }

    /// A config of another type.
    #[derive(Config)]
    pub(super) struct Other {
        #[selfref("scores.json")]
        pub(super) scores: SelfRef<Json<Vec<f64>>>,
    }
}

#[test]
fn json_artifacts_load_as_the_type_of_today() {
    let (_folder, store) = scratch();
    let rref = store.realize(&instantiate(Score::new()).unwrap()).unwrap();
    let scores = store
        .realization_as::<score_now::Score>(&rref)
        .unwrap()
        .scores
        .load();
    let scores = scores.unwrap();
    assert_eq!((scores.accuracy, scores.loss), (0.5, None));
    let other = store
        .realization_as::<score_now::Other>(&rref)
        .unwrap()
        .scores
        .load();
    let error = other.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Artifact);
    assert_says(
        &error,
        &[
            "cannot load artifact `scores` of stage `score`",
            "invalid type: map",
            "if its format changed",
        ],
    );
}

#[test]
fn later_types_that_do_not_fit_name_the_field() {
    let (_folder, store) = scratch();
    let rref = trained(&store);
    let id = rref.id();
    unfit::<later::WithoutLayers>(&store, id, &["WithoutLayers` has no field `layers`"]);
    let error = unfit::<later::WithDecay>(
        &store,
        id,
        &["the field `decay` is not in the stored config"],
    );
    assert_says(&error, &["give the field a default"]);
    unfit::<later::OtherPlain>(
        &store,
        id,
        &[
            "the field `layers[0]`",
            "invalid type: integer `4`, expected a string",
        ],
    );
    unfit::<later::OtherPath>(
        &store,
        id,
        &["`model` is at \"model.txt\" in the store, and at \"model.bin\""],
    );
    unfit::<later::NoPromise>(&store, id, &["model"]);
    unfit::<later::PlainDependency>(&store, id, &["`rate`"]);
    unfit::<later::ListDependency>(&store, id, &["`one`"]);
    unfit::<later::OneAndMany>(&store, id, &["`file` holds many realizations of dref:"]);
    // The config of the dependency does not fit the type that the field declares.
    let error = unfit::<later::OtherDependency>(&store, id, &[&rref.one.id().dref().to_string()]);
    assert_says(&error, &["Train", "is not in the stored config"]);
}

/// A stage with many realizations of a dependency.
#[derive(Config)]
struct Mean {
    #[selfref("mean.txt")]
    mean: SelfRef<Text>,
    #[dref]
    all: DRef<Data, Many>,
    #[dref]
    files: RefPath<Text, Many>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    let mean = b.mean.save(&b.all.len().to_string())?;
    Ok(MeanOutputs { mean })
}

mod one_of_many {
    use super::*;

    /// A version that takes one realization where many were chosen.
    #[derive(Config)]
    pub(super) struct Typed {
        #[selfref("mean.txt")]
        mean: SelfRef<Text>,
        #[dref]
        all: DRef<Data>,
        #[dref]
        files: RefPath<Text, Many>,
    }

    /// A version that takes one file where many were chosen.
    #[derive(Config)]
    pub(super) struct Mixed {
        #[selfref("mean.txt")]
        mean: SelfRef<Text>,
        #[dref]
        all: DRef<Data, Many>,
        #[dref]
        files: RefPath<Text>,
    }

    /// A version that takes one file of a derivation that no other field names.
    #[derive(Config)]
    pub(super) struct File {
        #[selfref("file.txt")]
        file: SelfRef<Text>,
        #[dref]
        files: RefPath<Text>,
    }
}

/// Like `one_of_many::File`, with many files.
#[derive(Config)]
struct Files {
    #[selfref("file.txt")]
    file: SelfRef<Text>,
    #[dref]
    files: RefPath<Text, Many>,
}

#[stage]
fn files(b: &Build<Files>) -> Result<FilesOutputs> {
    let file = b.file.save("")?;
    Ok(FilesOutputs { file })
}

#[test]
fn one_is_not_read_where_many_were_chosen() {
    let (_folder, store) = scratch();
    let data = instantiate(Data::new(3)).unwrap();
    let many = store
        .realize(&instantiate(Mean::new(data.clone(), data.data.clone())).unwrap())
        .unwrap();
    assert_eq!(store.realization_as::<Mean>(&many).unwrap().files.len(), 2);
    let Err(error) = store.realization_as::<one_of_many::Typed>(&many) else {
        panic!("it was opened")
    };
    assert_says(&error, &[&data.to_string()]);
    let Err(error) = store.realization_as::<one_of_many::Mixed>(&many) else {
        panic!("it was opened")
    };
    assert_says(
        &error,
        &["`files` holds one realization of", &data.to_string()],
    );
    let files = store
        .realize(&instantiate(Files::new(data.data.clone())).unwrap())
        .unwrap();
    assert_eq!(
        store.realization_as::<Files>(&files).unwrap().files.len(),
        2
    );
    let Err(error) = store.realization_as::<one_of_many::File>(&files) else {
        panic!("it was opened")
    };
    assert_says(
        &error,
        &[
            "was made from 2 realizations of",
            &data.to_string(),
            "help: ",
        ],
    );
}

/// A stage with two dependencies on one derivation.
#[derive(Config)]
struct Pair {
    #[selfref("pair.txt")]
    pair: SelfRef<Text>,
    #[dref]
    sides: BTreeMap<String, DRef<Data, Many>>,
}

#[stage]
fn pair(b: &Build<Pair>) -> Result<PairOutputs> {
    let pair = b.pair.save("")?;
    Ok(PairOutputs { pair })
}

mod two_types {
    use super::*;

    /// Equal to `Data`.
    #[derive(Config)]
    pub(super) struct Twin {
        #[selfref("data.txt")]
        data: SelfRef<Text>,
        size: u32,
    }

    /// A version whose fields declare two types for one derivation.
    #[derive(Config)]
    pub(super) struct Pair {
        #[selfref("pair.txt")]
        pair: SelfRef<Text>,
        #[dref]
        sides: BTreeMap<String, DRef<Twin, Many>>,
    }

    /// A version that declares both types at once.
    #[derive(Config)]
    pub(super) struct Both {
        #[selfref("both.txt")]
        both: SelfRef<Text>,
        #[dref]
        data: DRef<Data, Many>,
        #[dref]
        twin: DRef<Twin, Many>,
    }
}

/// A version that declares one type for both.
#[derive(Config)]
struct Both {
    #[selfref("both.txt")]
    both: SelfRef<Text>,
    #[dref]
    data: DRef<Data, Many>,
    #[dref]
    twin: DRef<Data, Many>,
}

#[stage]
fn both(b: &Build<Both>) -> Result<BothOutputs> {
    let both = b.both.save("")?;
    Ok(BothOutputs { both })
}

#[test]
fn one_derivation_has_one_type() {
    let (_folder, store) = scratch();
    let data = instantiate(Data::new(3)).unwrap();
    let sides = BTreeMap::from([
        ("l".to_owned(), data.clone()),
        ("r".to_owned(), data.clone()),
    ]);
    let pair = store
        .realize(&instantiate(Pair::new(sides)).unwrap())
        .unwrap();
    assert_eq!(
        store.realization_as::<Pair>(&pair).unwrap().sides["l"].len(),
        2
    );
    store.realization_as::<two_types::Pair>(&pair).unwrap();
    let both = store
        .realize(&instantiate(Both::new(data.clone(), data.clone())).unwrap())
        .unwrap();
    let Err(error) = store.realization_as::<two_types::Both>(&both) else {
        panic!("it was opened")
    };
    assert_says(&error, &[&data.to_string(), "Data`", "Twin`", "help: "]);
}

#[test]
fn derivations_are_made_again_with_their_stages() {
    let (_folder, store) = scratch();
    let data = instantiate(Data::new(3)).unwrap();
    let plan = instantiate(Mean::new(data.clone(), data.data.clone())).unwrap();
    let rref = store.realize(&plan).unwrap();
    let id: DRefId = plan.to_string().parse().unwrap();
    let again = store.derivation(&id).unwrap();
    assert_eq!(
        (again.id(), again.config_json().text()),
        (&id, plan.config_json().text())
    );
    assert!(store.plan(&again).unwrap().is_done());
    let (made, report) = Realize::new(&store)
        .force(&again)
        .run_reporting(&again)
        .unwrap();
    assert_eq!((report.built, made[0].id()), (1, rref.id()));
    assert_eq!(made[0].downcast::<Mean>().unwrap().all.len(), 2);
    // It is the same derivation in one plan.
    let (one, two) = store.realize(&(&plan, &again)).unwrap();
    assert_eq!(one.id(), two[0].id());
}

#[test]
fn derivations_without_their_stages() {
    let (_folder, store) = scratch();
    // The plan's matcher is not stored: the stage's own matcher takes many realizations, and the field takes one.
    let rref = trained(&store);
    let error = store.derivation(rref.id().dref()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(
        &error,
        &[
            "`one` holds one realization of",
            &rref.one.id().dref().to_string(),
        ],
    );
    assert_says(&error, &["a matcher given by `with_matcher` is not stored"]);
    // The stage is not in this program.
    let foreign = tests::store::config("foreign");
    store.plumbing().add_derivation(&foreign).unwrap();
    let error = store.derivation(foreign.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_says(
        &error,
        &[
            "this program has no stage named `foreign`",
            &foreign.id().to_string(),
            "help: run the program",
        ],
    );
    // The stage has this name, and another config.
    let other = tests::store::config("data");
    store.plumbing().add_derivation(&other).unwrap();
    let error = store.derivation(other.id()).unwrap_err();
    assert_says(
        &error,
        &["does not fit", "`data` is not in the stored config"],
    );
}

#[test]
fn a_store_is_asked_by_all_that_has_a_reference() {
    let (_folder, store) = scratch();
    let plan = instantiate(Data::new(3)).unwrap().latest();
    let rref = store.realize(&plan).unwrap();
    assert!(store.has(&rref).unwrap() && store.has(rref.id()).unwrap());
    assert_eq!(&store.realization(&rref).unwrap().id, rref.id());
    assert_eq!(
        store.record(&rref).unwrap(),
        store.record(rref.id()).unwrap()
    );
    assert_eq!(store.out_dir(&rref), rref.path());
    assert_eq!(&store.config(&plan).unwrap(), plan.config_json());
    assert!(store.rrefs_of(&plan).unwrap().contains(rref.id()));
}
