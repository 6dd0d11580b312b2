//! Parameters of experiments: from where values come, which of them counts, and what is said about wrong ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::ErrorKind;
use pylightnix::experiment::{Answers, Origin, ParamList, ParamSources};
use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use tests::runs::{assert_says, scratch};

/// What the experiment can be told.
#[derive(Params, Clone, Debug, PartialEq)]
struct Settings {
    /// How many clusters to look for
    ///
    /// More of them take longer.
    #[param(default = 3)]
    clusters: usize,
    #[param(nested)]
    train: Train,
    /// The data
    #[param(default)]
    weights: BTreeMap<String, f64>,
    #[param(rename = "dry-run", default)]
    dry_run: bool,
}

#[derive(Params, Clone, Debug, PartialEq)]
struct Train {
    /// The learning rate
    #[param(default = 0.1)]
    rate: f64,
    /// The model
    #[param(default = Model::Small)]
    model: Model,
    title: Option<String>,
    #[param(default = vec![64, 32])]
    layers: Vec<u32>,
}

#[derive(ParamEnum, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Model {
    /// Fits in a second
    Small,
    VeryLarge,
    #[serde(skip)]
    Hidden,
}

/// A folder for files of parameters.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Files { folder }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns the sources of this text in a file.
    fn toml(&self, text: &str) -> ParamSources {
        let path = self.write("params.toml", text);
        ParamSources::new().file(path).unwrap()
    }
}

fn settings(sources: &ParamSources) -> Settings {
    sources.resolve::<Settings>().unwrap().read().unwrap()
}

/// Returns the only mistake: its message after the folder, and its help.
fn mistake(sources: &ParamSources) -> (String, String) {
    let error = sources.resolve::<Settings>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Params);
    assert!(error.parts().is_empty(), "{error:?}");
    let text = error.to_string();
    let text = text.rsplit_once('/').map_or(&text[..], |(_, text)| text);
    (text.to_owned(), error.help().unwrap_or_default().to_owned())
}

#[test]
fn a_stronger_source_counts_and_the_others_stay() {
    let files = Files::new();
    let text = "clusters = 4\n[train]\nrate = 0.2\ntitle = 'x'\n\
                [profile.quick]\nclusters = 2\ntrain.rate = 0.3\n[profile.slow.train]\nrate = 0.4\n";
    let file = files.toml(text);
    assert_eq!(settings(&ParamSources::new()).train.rate, 0.1);
    let one = settings(&file);
    assert_eq!((one.clusters, one.train.rate), (4, 0.2));
    assert_eq!(one.train.title.as_deref(), Some("x"));
    assert_eq!(one.train.layers, [64, 32]);
    let quick = file.clone().profile("quick");
    let one = settings(&quick);
    assert_eq!((one.clusters, one.train.rate), (2, 0.3));
    let both = quick.clone().profile("slow");
    let one = settings(&both);
    assert_eq!((one.clusters, one.train.rate), (2, 0.4));
    let set = both.set("train.rate", "0.5").set("train.rate", "0.6");
    assert_eq!(settings(&set).train.rate, 0.6);
    assert_eq!(file.profiles(), ["quick", "slow"]);
}

#[test]
fn it_is_known_where_a_value_comes_from() {
    let files = Files::new();
    let text =
        "\nclusters = 3\n\n[train]\nrate = 0.2\n[profile.quick.train]\n\nmodel = 'very-large'\n";
    let sources = files.toml(text).profile("quick").set("dry-run", "true");
    let resolved = sources.resolve::<Settings>().unwrap();
    let origins: Vec<String> = resolved.iter().map(ToString::to_string).collect();
    let folder = format!("({}/", files.folder.path().display());
    let origins: Vec<String> = origins.iter().map(|it| it.replace(&folder, "(")).collect();
    assert_eq!(
        origins,
        [
            "clusters = 3  (params.toml:2)",
            "train.rate = 0.2  (params.toml:5)",
            "train.model = \"very-large\"  (params.toml:8, profile quick)",
            "train.title = null  (default)",
            "train.layers = [64,32]  (default)",
            "weights = {}  (default)",
            "dry-run = true  (set)",
        ]
    );
    // One that has the value of its default is none that was changed.
    let changed: Vec<_> = resolved.changed().map(|it| &it.param.key[..]).collect();
    assert_eq!(changed, ["train.rate", "train.model", "dry-run"]);
    let json = serde_json::to_value(resolved.iter().nth(1).unwrap()).unwrap();
    assert_eq!(json["origin"]["from"], "file");
    assert_eq!(
        (&json["origin"]["line"], &json["default"]),
        (&json!(5), &json!(0.1))
    );
}

#[test]
fn a_file_in_json_has_lines_too() {
    let files = Files::new();
    let text = "{\n  \"clusters\": 5,\n  \"train\": {\n    \"rate\": 0.5, \"layers\": [1]\n  },\n  \"profile\": {\"a\": {\"train\": {\"rate\":\n 1}}}\n}";
    let sources = ParamSources::new()
        .file(files.write("params.json", text))
        .unwrap();
    let one = settings(&sources);
    assert_eq!(
        (one.clusters, one.train.rate, &one.train.layers[..]),
        (5, 0.5, &[1][..])
    );
    let resolved = sources.profile("a").resolve::<Settings>().unwrap();
    let rate = resolved.iter().nth(1).unwrap();
    assert!(
        matches!(rate.origin, Origin::Profile { line: 7, .. }),
        "{rate}"
    );
    let wrong = |text: &str| {
        let sources = ParamSources::new().file(files.write("params.json", text));
        match sources {
            Ok(sources) => mistake(&sources).0,
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        wrong("{\n\"clusters\": 5,\n\n\"tran\": 1}"),
        "params.json:4: there is no parameter `tran`"
    );
    assert!(wrong("{\n\"clusters\": 5,}").contains("params.json:2: not valid JSON: "));
    assert!(
        wrong("{\"train\": {\n\"rate\": 1,\n\"rate\": 2}}")
            .contains(":3: not valid JSON: the key `rate` is there twice")
    );
    assert!(wrong("[1]").contains(":1: the file has to be an object"));
}

#[test]
fn a_file_in_yaml_has_lines_too() {
    let files = Files::new();
    let text = "# What to try\nclusters: 5\ntrain:\n  rate: 0.5\n  layers: [1]\n  title: no\n\
                weights: {a: 1, b: 2.5}\nprofile:\n  a:\n    train:\n      rate: 1\n      model: very-large\n";
    let read = |text: &str| ParamSources::new().file(files.write("params.yaml", text));
    let sources = read(text).unwrap();
    let one = settings(&sources);
    assert_eq!((one.clusters, one.train.rate), (5, 0.5));
    assert_eq!(one.train.layers, [1]);
    // As in YAML 1.2, that is a text.
    assert_eq!(one.train.title.as_deref(), Some("no"));
    assert_eq!(
        one.weights,
        [("a".to_owned(), 1.0), ("b".to_owned(), 2.5)].into()
    );
    let resolved = sources.profile("a").resolve::<Settings>().unwrap();
    let origins: Vec<_> = resolved.iter().map(|it| it.origin.clone()).collect();
    for (at, line) in [(1, 11), (2, 12)] {
        assert!(
            matches!(origins[at], Origin::Profile { line: found, .. } if found == line),
            "{:?}",
            origins[at]
        );
    }
    assert!(
        matches!(origins[4], Origin::File { line: 5, .. }),
        "{:?}",
        origins[4]
    );
    let wrong = |text: &str| match read(text) {
        Ok(sources) => mistake(&sources).0,
        Err(error) => {
            let text = error.to_string();
            text.rsplit_once('/')
                .map_or(text.clone(), |(_, text)| text.to_owned())
        }
    };
    assert_eq!(
        wrong("clusters: 5\n\ntran: 1\n"),
        "params.yaml:3: there is no parameter `tran`"
    );
    for (text, said) in [
        (
            "clusters: 5\ntrain:\n  rate: 1\n  rate: 2\n",
            "params.yaml:4: not valid YAML: duplicate mapping key `rate`",
        ),
        ("clusters: [5\n", "params.yaml:1: not valid YAML: "),
        ("clusters: .inf\n", "params.yaml:1: not valid YAML: "),
        (
            "- 1\n",
            "params.yaml:1: the file has to be a mapping, `key: value`",
        ),
        ("clusters: 99999999999999999999999\n", "params.yaml:1: "),
        (
            "clusters: 1\n---\nclusters: 2\n",
            "params.yaml:3: not valid YAML: ",
        ),
    ] {
        let found = wrong(text);
        assert!(found.starts_with(said), "{text:?}: {found}");
        assert!(!found.contains('\n'), "{found}");
    }
    // A file without a value gives nothing.
    assert_eq!(settings(&read("# nothing\n").unwrap()).clusters, 3);
}

#[test]
fn texts_are_read_as_their_types_ask() {
    let set = |key: &str, text: &str| settings(&ParamSources::new().set(key, text)).train;
    for (text, title) in [
        ("large", Some("large")),
        ("5", Some("5")),
        ("true", Some("true")),
        ("", Some("")),
        ("null", None),
        ("\"null\"", Some("null")),
        ("'a b'", Some("a b")),
        ("it's", Some("it's")),
    ] {
        assert_eq!(set("train.title", text).title.as_deref(), title, "{text}");
    }
    for (text, rate) in [("1", 1.0), ("1e-3", 0.001), ("+1_0.5", 10.5)] {
        assert_eq!(set("train.rate", text).rate, rate, "{text}");
    }
    assert_eq!(set("train.layers", "[1, 2]").layers, [1, 2]);
    assert_eq!(set("train.model", "very-large").model, Model::VeryLarge);
    let weights = settings(&ParamSources::new().set("weights", "{a = 1}")).weights;
    assert_eq!(weights, BTreeMap::from([("a".to_owned(), 1.0)]));
    // As the type writes it.
    let one = ParamSources::new().set("train.rate", "1");
    let other = ParamSources::new().set("train.rate", "1.0");
    let values = |sources: &ParamSources| sources.resolve::<Settings>().unwrap().values();
    assert_eq!(values(&one), values(&other));
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_was_meant() {
    let files = Files::new();
    let said = |text: &str| mistake(&files.toml(text));
    let near = |name: &str| format!("did you mean `{name}`?");
    assert_eq!(
        said("clusters = 1\n[train]\n\nrat = 0.5\n"),
        (
            "params.toml:4: there is no parameter `train.rat`".to_owned(),
            near("train.rate")
        )
    );
    assert_eq!(
        said("[trian]\nrate = 1\nmodel = 'small'\n"),
        (
            "params.toml:1: there is no parameter `trian`".to_owned(),
            near("train")
        )
    );
    // In a profile that is not selected.
    assert_eq!(
        said("[profile.quick]\nclustres = 1\n"),
        (
            "params.toml:2: there is no parameter `clustres`".to_owned(),
            near("clusters")
        )
    );
    assert_eq!(
        said("clusters = 'many'\n").0,
        "params.toml:1: the value of `clusters` does not fit its type `usize`: \
         invalid type: string \"many\", expected usize"
    );
    assert_eq!(
        said("clusters = -1\n").0,
        "params.toml:1: the value of `clusters` does not fit its type `usize`: \
         invalid value: integer `-1`, expected usize"
    );
    assert_eq!(
        said("train.model = 'smal'\n"),
        (
            "params.toml:1: `smal` is no value of `train.model`".to_owned(),
            "did you mean `small`? its values are `small`, `very-large`".to_owned()
        )
    );
    let (message, help) = said("train = 1\n");
    assert_eq!(
        message,
        "params.toml:1: `train` is a group of parameters and has no value"
    );
    assert!(
        help.starts_with("give one to `train.rate`, `train.model`"),
        "{help}"
    );
    assert!(said("profile = 1\n").1.contains("[profile.quick]"));
    assert!(
        said("\n[profile]\nquick = 1\n")
            .0
            .starts_with("params.toml:3: `profile` holds")
    );
    let (message, help) = said("nothing_like_it = 1\n");
    assert!(
        message.contains("`nothing_like_it`") && help.contains("the parameters are `clusters`"),
        "{help}"
    );

    let set = |key: &str, text: &str| mistake(&ParamSources::new().set(key, text));
    assert_eq!(
        set("train.rat", "1"),
        (
            "set: there is no parameter `train.rat`".to_owned(),
            near("train.rate")
        )
    );
    assert!(
        set("train.rate", "fast")
            .0
            .contains("invalid type: string \"fast\", expected f64")
    );
    assert!(
        set("train.rate", "true")
            .0
            .contains("invalid type: boolean `true`, expected f64")
    );
    assert!(set("train", "1").0.contains("a group of parameters"));
    let profile = mistake(&files.toml("[profile.quick]\n").profile("quik"));
    assert_eq!(
        profile,
        (
            "params.toml has no profile `quik`".to_owned(),
            near("quick")
        )
    );
    let none = mistake(&ParamSources::new().profile("quick"));
    assert_eq!(none.0, "there is no profile `quick`");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let files = Files::new();
    let missing = ParamSources::new().file(files.folder.path().join("none.toml"));
    let error = missing.unwrap_err();
    assert_says(
        &error,
        &[
            "cannot read the parameters in",
            "none.toml",
            "name a file that exists",
        ],
    );
    let path = files.write("wrong.toml", "a = 1\nb == 2\n");
    let error = ParamSources::new().file(&path).unwrap_err();
    assert_eq!(error.path(), Some(path.as_path()));
    assert_says(&error, &["wrong.toml:2: not valid TOML: "]);
    let path = files.write("nan.toml", "\ntrain.rate = nan\n\n");
    let error = ParamSources::new().file(&path).unwrap_err();
    assert_says(
        &error,
        &["nan.toml:2: parameters are kept as JSON, which has no number nan"],
    );
}

#[test]
fn several_mistakes_are_all_told_once() {
    let files = Files::new();
    let sources = files
        .toml("clusters = 'many'\n[train]\nrat = 1\n")
        .set("model", "small");
    let error = sources.resolve::<Settings>().unwrap_err();
    assert_eq!(error.message(), "3 parameters are not valid");
    assert_eq!(error.parts().len(), 3, "{error:?}");
}

#[derive(Params)]
struct Unfit {
    #[param(default = f64::NAN, rename = "limit")]
    _limit: f64,
}

#[derive(Params, Debug)]
struct Seeded {
    /// The seed of the draw
    seed: u64,
}

#[test]
fn a_parameter_without_a_value_is_told() {
    let error = ParamSources::new().resolve::<Seeded>().unwrap_err();
    assert_eq!(error.message(), "the parameter `seed` has no value");
    let help = error.help().unwrap();
    assert!(help.contains("PYLIGHTNIX_PARAM_SEED") && help.contains("`u64`: The seed of the draw"));
    // A wrong value is one mistake, and not two.
    let error = ParamSources::new()
        .set("seed", "x")
        .resolve::<Seeded>()
        .unwrap_err();
    assert!(
        error.parts().is_empty() && error.message().contains("does not fit"),
        "{error:?}"
    );
    let seeded: Seeded = ParamSources::new()
        .set("seed", "7")
        .resolve::<Seeded>()
        .unwrap()
        .read()
        .unwrap();
    assert_eq!(seeded.seed, 7);
    let error = ParamSources::new().resolve::<Unfit>().unwrap_err();
    assert!(
        error
            .message()
            .starts_with("a default is no value that JSON can hold: limit: "),
        "{error}"
    );
}

#[test]
fn a_list_knows_what_the_struct_says() {
    let list = ParamList::of::<Settings>();
    let keys: Vec<_> = list.iter().map(|param| &param.key[..]).collect();
    assert_eq!(
        keys,
        [
            "clusters",
            "train.rate",
            "train.model",
            "train.title",
            "train.layers",
            "weights",
            "dry-run"
        ]
    );
    let of = |key: &str| list.get(key).unwrap();
    assert_eq!(of("clusters").doc, "How many clusters to look for");
    assert_eq!(of("train.title").type_name, "Option<String>");
    assert_eq!(of("train.title").default, Some(json!(null)));
    assert_eq!(of("dry-run").variable(), "PYLIGHTNIX_PARAM_DRY_RUN");
    assert_eq!(of("train.rate").variable(), "PYLIGHTNIX_PARAM_TRAIN__RATE");
    let names = |key: &str| {
        let variants = of(key).variants.iter();
        variants
            .map(|it| (it.name.clone(), it.doc.clone()))
            .collect::<Vec<_>>()
    };
    let named = |name: &str, doc: &str| (name.to_owned(), doc.to_owned());
    assert_eq!(
        names("train.model"),
        [named("small", "Fits in a second"), named("very-large", "")]
    );
    assert_eq!(names("dry-run"), [named("true", ""), named("false", "")]);
    assert_eq!(names("clusters"), []);
}

/// A stage of the parameters.
#[derive(Config)]
struct Fit {
    #[selfref("fit.json")]
    fit: SelfRef<Json<f64>>,
    rate: f64,
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    Ok(FitOutputs {
        fit: b.fit.save(&b.rate)?,
    })
}

fn experiment(run: &Run<'_>) -> Result<DRef<Fit>> {
    let settings: Settings = run.params()?;
    let fit = instantiate(Fit::new(settings.train.rate))?;
    let found = run.realize(&fit)?.fit.load()?;
    Ok(instantiate(Fit::new(found * settings.clusters as f64))?)
}

fn rate_of(fit: &DRef<Fit>) -> serde_json::Value {
    let config: serde_json::Value = serde_json::from_str(fit.config_json().text()).unwrap();
    config["rate"].clone()
}

#[test]
fn values_are_an_answer_of_the_run() {
    let files = Files::new();
    let (_folder, store) = scratch();
    let run = Run::new(Realize::new(&store));
    run.take_params(files.toml("clusters = 4\n").set("train.rate", "0.5"));
    let planned = experiment(&run).unwrap();
    assert_eq!(rate_of(&planned), json!(2.0));
    let text = serde_json::to_string(&run.answers()).unwrap();
    assert!(
        text.contains("\"asked\":\"params\"") && text.contains("\"train.rate\":0.5"),
        "{text}"
    );
    assert_eq!(run.resolved_params("").unwrap().changed().count(), 2);

    // The file says something else now, and what is set is gone.
    files.write("params.toml", "clusters = 'x'\n");
    let answers: Answers = serde_json::from_str(&text).unwrap();
    let again = Run::again(Realize::new(&store), answers.clone());
    assert_eq!(experiment(&again).unwrap().id(), planned.id());
    // A target that is planned again in the same run.
    run.take_params(ParamSources::new());
    run.begin("");
    assert_eq!(experiment(&run).unwrap().id(), planned.id());
    // The next target is given what counts now.
    run.begin("other");
    assert_ne!(experiment(&run).unwrap().id(), planned.id());

    let again = Run::again(Realize::new(&store), answers);
    let error = again.params::<Seeded>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_says(
        &error,
        &["the plan differs: it asks for parameters of other names or types"],
    );
    let error = Run::again(Realize::new(&store), Answers::default())
        .params::<Settings>()
        .unwrap_err();
    assert_says(
        &error,
        &["it asks for the parameters, for which it did not ask before"],
    );
}
