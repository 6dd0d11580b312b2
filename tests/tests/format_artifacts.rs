//! Artifacts in their formats, and the errors of unreadable and unwritable ones.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use ndarray::{Array, Array2, ArrayD, Ix2, IxDyn, array};
use pylightnix::prelude::*;
use pylightnix::{BoxError, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::Command;
use tests::runs::{assert_says, scratch};

#[path = "format_artifacts/arrays.rs"]
mod arrays;
#[path = "format_artifacts/parts.rs"]
mod parts;
#[path = "format_artifacts/processes.rs"]
mod processes;
#[path = "format_artifacts/values.rs"]
mod values;

#[test]
#[ignore = "a part that other tests play in a process of their own"]
fn part_of_a_child() {
    if let Some((_, place)) = tests::store::part() {
        processes::make(&place).unwrap();
    }
}

/// A user-defined format: numbers, one per line.
enum Lines {}

impl Format for Lines {
    type Value = Vec<i64>;
    type View = [i64];

    fn read(path: &Path) -> Result<Vec<i64>, BoxError> {
        let text = fs::read_to_string(path)?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    fn write(value: &[i64], path: &Path) -> Result<(), BoxError> {
        if value.is_empty() {
            return Err("no numbers".into());
        }
        let lines: Vec<_> = value.iter().map(|n| format!("{n}\n")).collect();
        Ok(fs::write(path, lines.concat())?)
    }
}

/// The content of a JSON artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    name: String,
    rate: f64,
    large: u64,
    maybe: Option<i8>,
}

/// One artifact in each format.
#[derive(Config)]
struct Formats {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    #[selfref("bytes.bin")]
    bytes: SelfRef<Bytes>,
    #[selfref("settings.json")]
    json: SelfRef<Json<Settings>>,
    #[selfref("any.npy")]
    any: SelfRef<Npy<f64>>,
    #[selfref("a/table.npy")]
    table: SelfRef<Npy<f64, Ix2>>,
    #[selfref("a/whole.npy")]
    whole: SelfRef<Npy<i32>>,
    #[selfref("a/b/lines.txt")]
    lines: SelfRef<Lines>,
    #[selfref("file")]
    file: SelfRef,
    #[selfref("folder")]
    folder: SelfRef,
}

fn settings() -> Settings {
    Settings {
        name: "a \"b\" \u{1f600}\n".to_owned(),
        rate: 1e-7,
        large: u64::MAX,
        maybe: None,
    }
}

fn any() -> ArrayD<f64> {
    Array::from_shape_vec(
        IxDyn(&[2, 1, 3]),
        vec![1., -0., f64::INFINITY, 4., 5e-324, 6.],
    )
    .unwrap()
}

fn table() -> Array2<f64> {
    array![[1., 2.], [3., 4.], [5., 6.]]
}

#[stage]
fn formats(b: &Build<Formats>) -> Result<FormatsOutputs> {
    fs::write(b.file.path(), "opaque")?;
    fs::create_dir_all(b.folder.path().join("below"))?;
    fs::write(b.folder.path().join("below/file"), "deep")?;
    Ok(FormatsOutputs {
        text: b.text.save("text \u{e9}\n")?,
        bytes: b.bytes.save(&[0, 255, 13, 10])?,
        json: b.json.save(&settings())?,
        any: b.any.save(&any())?,
        // A view in another memory order is saved as the array that it represents.
        table: b.table.save(&table().t().to_owned().t())?,
        whole: b.whole.save(&array![i32::MIN, 0, i32::MAX].into_dyn())?,
        lines: b.lines.save(&[3, -1])?,
        file: b.file.written()?,
        folder: b.folder.written()?,
    })
}

#[test]
fn each_format_gives_back_what_was_saved() {
    let (_folder, store) = scratch();
    let rref = store
        .realize(&instantiate(Formats::new()).unwrap())
        .unwrap();
    assert_eq!(rref.text.load().unwrap(), "text \u{e9}\n");
    assert_eq!(rref.bytes.load().unwrap(), [0, 255, 13, 10]);
    assert_eq!(rref.json.load().unwrap(), settings());
    assert_eq!(rref.any.load().unwrap(), any());
    assert!(rref.any.load().unwrap()[[0, 0, 1]].is_sign_negative());
    assert_eq!(rref.table.load().unwrap(), table());
    assert_eq!(
        rref.whole.load().unwrap(),
        array![i32::MIN, 0, i32::MAX].into_dyn()
    );
    assert_eq!(rref.lines.load().unwrap(), [3, -1]);
    assert_eq!(fs::read(rref.file.path()).unwrap(), b"opaque");
    assert_eq!(
        fs::read(rref.folder.path().join("below/file")).unwrap(),
        b"deep"
    );
    // The files are at the promised paths in standard formats, for other programs.
    assert!(rref.lines.path().ends_with("out/a/b/lines.txt"));
    assert_eq!(rref.lines.rref(), rref.id());
    assert_eq!(
        fs::read(rref.text.as_ref()).unwrap(),
        "text \u{e9}\n".as_bytes()
    );
    let json = fs::read_to_string(rref.json.path()).unwrap();
    assert!(
        json.starts_with("{\n  \"name\"") && json.ends_with("}\n"),
        "{json}"
    );
    assert!(fs::read(rref.any.path()).unwrap().starts_with(b"\x93NUMPY"));
    assert!(
        fs::write(rref.text.path(), "").is_err() || fs::read(rref.text.path()).unwrap().is_empty()
    );
}

/// The same artifacts with other formats.
#[derive(Config)]
struct Misread {
    #[selfref("text.txt")]
    text: SelfRef<Lines>,
    #[selfref("bytes.bin")]
    bytes: SelfRef<Text>,
    #[selfref("settings.json")]
    json: SelfRef<Json<Vec<u8>>>,
    #[selfref("any.npy")]
    any: SelfRef<Npy<f32>>,
    #[selfref("a/table.npy")]
    table: SelfRef<Npy<f64, ndarray::Ix1>>,
    #[selfref("a/whole.npy")]
    whole: SelfRef<Npy<i32>>,
    #[selfref("a/b/lines.txt")]
    lines: SelfRef<Npy<f64>>,
    #[selfref("file")]
    file: SelfRef<Json<u8>>,
    #[selfref("folder")]
    folder: SelfRef<Bytes>,
}

#[track_caller]
fn unread<T>(result: pylightnix::Result<T>, field: &str, path: &Path, why: &str) {
    let Err(error) = result else {
        unreachable!("it was read")
    };
    assert_eq!(error.kind(), ErrorKind::Artifact);
    assert_eq!(error.path(), Some(path));
    let message = format!(
        "cannot load artifact `{field}` of stage `formats` from {}",
        path.display()
    );
    assert_eq!(error.message(), message);
    assert!(error.to_string().starts_with(&message), "{error}");
    assert_says(&error, &[&format!("caused by: {why}"), "help: ", "rref:"]);
}

#[test]
fn a_failed_load_names_stage_artifact_and_path() {
    let (_folder, store) = scratch();
    let id = store
        .realize(&instantiate(Formats::new()).unwrap())
        .unwrap();
    let rref = store.realization_as::<Misread>(&id).unwrap();
    unread(
        rref.text.load(),
        "text",
        rref.text.path(),
        "invalid digit found in string",
    );
    unread(
        rref.bytes.load(),
        "bytes",
        rref.bytes.path(),
        "stream did not contain valid UTF-8",
    );
    unread(
        rref.json.load(),
        "json",
        rref.json.path(),
        "invalid type: map",
    );
    unread(rref.any.load(), "any", rref.any.path(), "");
    unread(rref.table.load(), "table", rref.table.path(), "");
    unread(rref.lines.load(), "lines", rref.lines.path(), "");
    unread(
        rref.file.load(),
        "file",
        rref.file.path(),
        "expected value at line 1 column 1",
    );
    unread(
        rref.folder.load(),
        "folder",
        rref.folder.path(),
        "Is a directory",
    );
    fs::remove_file(rref.whole.path()).unwrap();
    // A pipe without a writer.
    let pipe = Command::new("mkfifo").arg(rref.whole.path()).status();
    assert!(pipe.unwrap().success());
    let whole = rref.whole.path();
    unread(rref.whole.load(), "whole", whole, "it is a pipe");
    fs::remove_file(rref.whole.path()).unwrap();
    unread(
        rref.whole.load(),
        "whole",
        rref.whole.path(),
        "No such file",
    );
}

/// Values that cannot be saved.
#[derive(Config)]
struct Unsaved {
    #[selfref("lines.txt")]
    lines: SelfRef<Lines>,
    #[selfref("map.json")]
    map: SelfRef<Json<std::collections::BTreeMap<(u8, u8), u8>>>,
    #[selfref("a/text.txt")]
    text: SelfRef<Text>,
    #[selfref("opaque")]
    opaque: SelfRef,
    what: u8,
}

#[stage]
fn unsaved(b: &Build<Unsaved>) -> Result<()> {
    match b.what {
        0 => drop(b.lines.save(&[])?),
        1 => drop(b.map.save(&[((1, 2), 3)].into())?),
        2 => {
            fs::remove_dir(b.path().join("a"))?;
            drop(b.text.save("text")?);
        }
        3 => {
            fs::create_dir(b.text.path())?;
            drop(b.text.save("text")?);
        }
        _ => drop(b.opaque.written()?),
    }
    Ok(())
}

#[test]
fn a_failed_save_names_stage_artifact_and_path() {
    let (_folder, store) = scratch();
    let cases = [
        ("save artifact `lines`", "lines.txt", "no numbers"),
        ("save artifact `map`", "map.json", "key must be a string"),
        ("save artifact `text`", "a/text.txt", "No such file"),
        ("save artifact `text`", "a/text.txt", "Is a directory"),
        ("find artifact `opaque`", "opaque", "No such file"),
    ];
    for (what, (verb, path, why)) in (0..).zip(cases) {
        let error = store
            .realize(&instantiate(Unsaved::new(what)).unwrap())
            .map(drop)
            .unwrap_err();
        assert_says(
            &error,
            &[
                "stage `unsaved` failed",
                &format!("cannot {verb} of stage `unsaved` at "),
                why,
            ],
        );
        let cause = error
            .causes()
            .next()
            .unwrap()
            .downcast_ref::<Error>()
            .unwrap();
        assert_eq!(cause.kind(), ErrorKind::Artifact);
        assert!(
            cause.path().unwrap().ends_with(format!("out/{path}")),
            "{error:?}"
        );
    }
}

mod what_comes_back {
    use super::{Format, Json, Npy, Settings, fs};
    use ndarray::{Array2, ShapeBuilder as _, array};
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize, de::DeserializeOwned};
    use std::collections::{BTreeMap, HashMap, HashSet};

    /// Returns the written bytes, or the error.
    fn saved<T: Serialize + DeserializeOwned + 'static>(value: &T) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        <Json<T> as Format>::write(value, &path).map_err(|error| error.to_string())?;
        Ok(fs::read(&path).unwrap())
    }

    fn loaded<T: Serialize + DeserializeOwned + 'static>(text: &[u8]) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        fs::write(&path, text).unwrap();
        <Json<T> as Format>::read(&path).unwrap()
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Shape {
        Point,
        Circle(f64),
        Box(f64, f32),
        Named { sides: Vec<Option<f64>> },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Tree {
        pub(super) text: String,
        pub(super) large: u64,
        pub(super) shapes: Vec<Shape>,
        pub(super) twice: Option<Option<u8>>,
        pub(super) by_name: HashMap<String, Option<f64>>,
        pub(super) by_number: BTreeMap<u32, Vec<Shape>>,
        pub(super) below: Option<Box<Tree>>,
    }

    pub(super) fn shape() -> impl Strategy<Value = Shape> {
        let number = any::<f64>;
        prop_oneof![
            Just(Shape::Point),
            number().prop_map(Shape::Circle),
            (number(), any::<f32>()).prop_map(|(a, b)| Shape::Box(a, b)),
            prop::collection::vec(prop::option::of(number()), 0..3)
                .prop_map(|sides| Shape::Named { sides }),
        ]
    }

    pub(super) fn tree() -> impl Strategy<Value = Tree> {
        let shapes = || prop::collection::vec(shape(), 0..3);
        let leaf = (
            any::<String>(),
            any::<u64>(),
            shapes(),
            any::<Option<Option<u8>>>(),
            prop::collection::hash_map(any::<String>(), any::<Option<f64>>(), 0..4),
            prop::collection::btree_map(any::<u32>(), shapes(), 0..3),
        )
            .prop_map(|(text, large, shapes, twice, by_name, by_number)| Tree {
                text,
                large,
                shapes,
                twice,
                by_name,
                by_number,
                below: None,
            });
        leaf.prop_recursive(3, 8, 2, |inner| {
            (inner.clone(), inner).prop_map(|(tree, below)| Tree {
                below: Some(Box::new(below)),
                ..tree
            })
        })
    }

    pub(super) fn fits(tree: &Tree) -> bool {
        let shape = |shape: &Shape| match shape {
            Shape::Point => true,
            Shape::Circle(a) => a.is_finite(),
            Shape::Box(a, b) => a.is_finite() && b.is_finite(),
            Shape::Named { sides } => sides.iter().flatten().all(|side| side.is_finite()),
        };
        tree.shapes.iter().all(shape)
            && tree.by_number.values().flatten().all(shape)
            && tree.by_name.values().flatten().all(|n| n.is_finite())
            && tree.twice != Some(None)
            && tree.below.as_deref().is_none_or(fits)
    }

    proptest! {
        #[test]
        fn what_is_saved_is_what_is_loaded(tree in tree()) {
            match saved(&tree) {
                Ok(text) => {
                    prop_assert!(fits(&tree));
                    prop_assert_eq!(&loaded::<Tree>(&text), &tree);
                    // Another hash map with the same entries has another order.
                    let mut again = tree.clone();
                    again.by_name = tree.by_name.clone().into_iter().collect();
                    prop_assert_eq!(saved(&again).unwrap(), text);
                }
                Err(error) => prop_assert!(!fits(&tree), "{}", error),
            }
        }
    }

    #[test]
    fn a_refusal_names_the_place_in_the_value() {
        let nan = BTreeMap::from([("a b", vec![Some(1.), Some(f64::NAN)])]);
        let nan: BTreeMap<String, _> = nan.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let error = saved(&nan).unwrap_err();
        assert!(
            error.starts_with("`[\"a b\"][1]` of the value is NaN"),
            "{error}"
        );
        let error = saved(&f64::NEG_INFINITY).unwrap_err();
        assert!(error.starts_with("the value is an infinity"), "{error}");
        let error = saved(&vec![None, Some(None::<u8>)]).unwrap_err();
        assert!(
            error.starts_with("`[1]` of the value is `Some` of"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_written_of_what_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        assert!(<Json<f64> as Format>::write(&f64::NAN, &path).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn equal_maps_are_equal_files() {
        let maps: HashSet<_> = (0..20)
            .map(|_| saved(&(0..10).map(|n| (n, n)).collect::<HashMap<u8, u8>>()).unwrap())
            .collect();
        assert_eq!(maps.len(), 1);
    }

    #[test]
    fn what_has_no_order_is_refused() {
        for size in [2, 3, 5000] {
            let set: HashSet<u32> = (0..size).collect();
            let error = saved(&set).unwrap_err();
            assert!(error.contains("`BTreeSet` instead of `HashSet`"), "{error}");
        }
        let beside = ("x".repeat(100_000), HashSet::from([1, 2]));
        assert!(saved(&beside).is_err(), "however long the rest is");
    }

    #[test]
    fn what_cannot_be_read_back_is_refused() {
        #[derive(Serialize, Deserialize)]
        struct Skipped {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            items: Vec<u8>,
        }
        let error = saved(&Skipped { items: vec![] }).unwrap_err();
        assert!(error.contains("cannot be read back"), "{error}");
        assert!(saved(&Skipped { items: vec![1] }).is_ok());
    }

    #[test]
    fn texts_are_those_of_serde_json() {
        let settings = Settings {
            name: "é\u{7f}\n\"".to_owned(),
            rate: 1e300,
            large: u64::MAX,
            maybe: None,
        };
        let value = serde_json::json!({"a": [], "b": {}, "c": [1, {"d": null}], "e": "x"});
        let bytes = |text: serde_json::Result<String>| format!("{}\n", text.unwrap()).into_bytes();
        assert_eq!(
            saved(&settings).unwrap(),
            bytes(serde_json::to_string_pretty(&settings))
        );
        assert_eq!(
            saved(&value).unwrap(),
            bytes(serde_json::to_string_pretty(&value))
        );
        let shapes = [
            Shape::Point,
            Shape::Box(1., 0.1),
            Shape::Named { sides: vec![None] },
        ];
        let shapes = shapes.to_vec();
        assert_eq!(
            saved(&shapes).unwrap(),
            bytes(serde_json::to_string_pretty(&shapes))
        );
    }

    #[test]
    fn equal_arrays_are_equal_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, array: &Array2<f64>| {
            let path = folder.path().join(name);
            <Npy<f64, ndarray::Ix2> as Format>::write(array, &path).unwrap();
            fs::read(&path).unwrap()
        };
        let rows = array![[1., 2., 3.], [4., 5., 6.]];
        let mut columns = Array2::zeros((2, 3).f());
        columns.assign(&rows);
        assert_eq!(write("rows.npy", &rows), write("columns.npy", &columns));
    }
}

mod tables {
    use super::{Csv, Format, Json, Npy, Text, array, fs};
    use ndarray::ArrayD;
    use proptest::prelude::*;
    use pylightnix::lens::format::Gz;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use tempfile::TempDir;

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Train,
        Test,
    }

    /// A row with each kind of field.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: String,
        maybe: Option<String>,
        count: u64,
        below: i32,
        loss: f64,
        few: Option<f32>,
        kind: Kind,
        good: bool,
    }

    pub(super) fn place() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        (folder, path)
    }

    pub(super) fn saved<F: Format>(value: &F::View) -> Result<Vec<u8>, String> {
        let (folder, path) = place();
        F::write(value, &path).map_err(|error| error.to_string())?;
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
        Ok(fs::read(&path).unwrap())
    }

    pub(super) fn loaded<F: Format>(bytes: &[u8]) -> F::Value {
        let (_folder, path) = place();
        fs::write(&path, bytes).unwrap();
        F::read(&path).unwrap()
    }

    prop_compose! {
        fn row()(
            name in ".*", maybe in proptest::option::of("[a-z\", \n\r]*"), count in any::<u64>(), below in any::<i32>(),
            loss in any::<f64>(), few in proptest::option::of(any::<f32>()), train in any::<bool>(), good in any::<bool>()
        ) -> Row {
            let kind = if train { Kind::Train } else { Kind::Test };
            Row { name, maybe, count, below, loss, few, kind, good }
        }
    }

    proptest! {
        #[test]
        fn a_table_is_loaded_as_it_was_saved_or_refused(rows in proptest::collection::vec(row(), 0..8)) {
            let fits = rows.iter().all(|row| row.maybe.as_deref() != Some(""));
            match saved::<Csv<Row>>(&rows) {
                Ok(bytes) => {
                    prop_assert!(fits);
                    prop_assert_eq!(loaded::<Csv<Row>>(&bytes), rows.clone());
                    prop_assert_eq!(saved::<Csv<Row>>(&rows).unwrap(), bytes);
                }
                Err(error) => prop_assert!(!fits, "{}", error),
            }
        }

        #[test]
        fn what_is_compressed_comes_back(text in "(.|\n){0,400}", times in 1..50_usize) {
            let text = text.repeat(times);
            let bytes = saved::<Gz<Text>>(&text).unwrap();
            prop_assert_eq!(&bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
            prop_assert_eq!(loaded::<Gz<Text>>(&bytes), text.clone());
            prop_assert_eq!(saved::<Gz<Text>>(&text).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let error = saved::<Csv<(u32, u32)>>(&[(1, 2)]).unwrap_err();
        assert!(error.contains("a row has to be a struct"), "{error}");
        let map = BTreeMap::from([("a".to_owned(), 1)]);
        let error = saved::<Csv<BTreeMap<String, u32>>>(&[map]).unwrap_err();
        assert!(
            error.starts_with("row 0 cannot be a line of a table"),
            "{error}"
        );
        let lists: Vec<BTreeMap<String, Vec<u8>>> = vec![BTreeMap::new()];
        assert!(saved::<Csv<BTreeMap<String, Vec<u8>>>>(&lists).is_err());
        let (_folder, path) = place();
        fs::write(&path, "name,count\nx,many\n").unwrap();
        assert!(<Csv<Row> as Format>::read(&path).is_err());
        assert!(saved::<Csv<Row>>(&[]).unwrap().is_empty());
        assert!(loaded::<Csv<Row>>(b"").is_empty());
    }

    #[test]
    fn any_format_can_be_compressed() {
        let array: ArrayD<f64> = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
        let bytes = saved::<Gz<Npy<f64>>>(&array).unwrap();
        assert_eq!(loaded::<Gz<Npy<f64>>>(&bytes), array);
        let (_folder, path) = place();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        assert!(
            <Gz<Npy<f64>> as Format>::read(&path).is_err(),
            "it is cut short"
        );
        fs::write(&path, "no gzip").unwrap();
        assert!(<Gz<Json<u8>> as Format>::read(&path).is_err());
        let error = saved::<Gz<Json<f64>>>(&f64::NAN).unwrap_err();
        assert!(error.contains("NaN"), "{error}");
    }
}
