//! Artifacts in their formats, and what is said of one that cannot be read or written.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use ndarray::{Array, Array2, ArrayD, Ix2, IxDyn, array};
use pylightnix::prelude::*;
use pylightnix::{BoxError, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::error::Error as _;
use std::fs;
use std::path::Path;
use tests::runs::{assert_says, scratch};

/// Numbers, one on a line: a format of one's own.
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

/// What a JSON artifact holds.
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
        // A view in another order is written as what it shows.
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
    // For other programs: where they are, as what they are.
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

/// Other formats of the same artifacts.
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
    assert_eq!(error.to_string(), message);
    assert_says(&error, &[&format!("caused by: {why}"), "help: ", "rref:"]);
}

#[test]
fn a_failed_load_names_stage_artifact_and_path() {
    let (_folder, store) = scratch();
    let id = store
        .realize(&instantiate(Formats::new()).unwrap())
        .unwrap();
    let rref = store.open::<Misread>(&id).unwrap();
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
    unread(
        rref.whole.load(),
        "whole",
        rref.whole.path(),
        "No such file",
    );
}

/// What cannot be saved.
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
        let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(cause.kind(), ErrorKind::Artifact);
        assert!(
            cause.path().unwrap().ends_with(format!("out/{path}")),
            "{error:?}"
        );
    }
}
