//! Values that a config cannot hold: each error names the field and gives advice.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::{ConfigJson, ConfigWriter, Name, StoredValue};
use pylightnix::{Error, ErrorKind};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

const DREF: &str = "dref:7c308bad0e7fa364790b71e6ffab924a-params";
const RREF: &str = "rref:0123456789abcdef0123456789abcdef-7c308bad0e7fa364790b71e6ffab924a-params";

#[track_caller]
fn assert_error(error: &Error, message: &str, help: &str) {
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert_eq!(error.message(), message);
    let report = format!("{error:?}");
    let shown = report.split_once("help: ").map(|(_, shown)| shown);
    assert!(shown.is_some_and(|shown| shown.contains(help)), "{report}");
}

/// Asserts the error of a plain value in the field `lr`.
#[track_caller]
fn refused<T: Serialize>(value: T, message: &str, help: &str) {
    let mut config = ConfigWriter::new(&Name::new("anneal").unwrap());
    let error = config.field("lr").plain(&value).unwrap_err();
    assert_error(&error, message, help);
}

#[derive(Serialize)]
struct Rate {
    rate: f64,
}

#[derive(Serialize)]
struct Lr {
    schedule: Vec<Rate>,
}

#[derive(Serialize)]
enum Shape {
    One(f64),
    Two(u8, f64),
    Three { at: f32 },
}

#[derive(Serialize)]
struct Bytes(#[serde(serialize_with = "as_bytes")] [u8; 2]);

fn as_bytes<S: Serializer>(bytes: &[u8; 2], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

struct Moody;

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("not today"))
    }
}

struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for key in ["b", "a", "c", "b"] {
            map.serialize_entry(key, &1)?;
        }
        map.end()
    }
}

#[test]
fn numbers_without_a_form_name_their_path() {
    let rates = [0.1, 0.2, 0.3, f64::NAN].map(|rate| Rate { rate });
    refused(
        Lr {
            schedule: rates.into(),
        },
        "the field `lr.schedule[3].rate` of the config `anneal` is NaN, which JSON cannot represent",
        "use a finite number, or an `Option`",
    );
    refused(
        BTreeMap::from([("a key", (1, f32::INFINITY))]),
        "the field `lr[\"a key\"][1]` of the config `anneal` is infinity, which JSON cannot represent",
        "finite",
    );
    refused(
        Some(f64::NEG_INFINITY),
        "the field `lr` of the config `anneal` is negative infinity, which JSON cannot represent",
        "finite",
    );
    for (shape, path) in [
        (Shape::One(f64::NAN), "lr.One"),
        (Shape::Two(1, f64::NAN), "lr.Two[1]"),
        (Shape::Three { at: f32::NAN }, "lr.Three.at"),
    ] {
        let message = format!(
            "the field `{path}` of the config `anneal` is NaN, which JSON cannot represent"
        );
        refused(shape, &message, "finite");
    }
}

#[test]
fn paths_go_through_lists_and_maps_of_the_writer() {
    let mut config = ConfigWriter::new(&Name::new("anneal").unwrap());
    let mut list = config.field("runs").list();
    list.item().plain(&1).unwrap();
    let mut map = list.item().map();
    map.entry("a").plain(&1).unwrap();
    let error = map.entry("b").plain(&[Moody]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the field `runs[1].b[0]` of the config `anneal` cannot be written: not today"
    );
    map.end();
    let error = list.item().plain(&Moody).unwrap_err();
    assert!(error.to_string().contains("`runs[2]`"), "{error}");
    list.end();
    let error = config.field("after").plain(&Moody).unwrap_err();
    assert!(error.to_string().contains("`after`"), "{error}");
}

#[test]
fn values_without_a_form() {
    refused(
        (Bytes([1, 2]),),
        "the field `lr[0]` of the config `anneal` is a byte string, which JSON cannot represent",
        "`Vec<u8>`",
    );
    refused(
        [BTreeMap::from([(5, "five")])],
        "the field `lr[0]` of the config `anneal` has a key that is a number, and JSON keys are strings",
        "list of pairs",
    );
    refused(
        BTreeMap::from([((1, 2), 3)]),
        "the field `lr` of the config `anneal` has a key that is a list, and JSON keys are strings",
        "list of pairs",
    );
    refused(
        [Twice],
        "the field `lr[0]` of the config `anneal` has the key \"b\" twice",
        "keep one",
    );
    let raw = serde_json::value::to_raw_value(&1).unwrap();
    refused(
        raw,
        "the field `lr` of the config `anneal` holds a JSON text of serde_json, which is not canonical",
        "a type of your own",
    );
}

#[test]
fn what_pylightnix_would_take_for_something_else() {
    refused(
        vec![DREF],
        &format!(
            "the field `lr[0]` of the config `anneal` is the string {DREF:?}, which Pylightnix would read as a dependency"
        ),
        "`#[dref]`",
    );
    refused(
        RREF,
        &format!(
            "the field `lr` of the config `anneal` is the string {RREF:?}, a reference of a realization, which a config \
             cannot hold"
        ),
        "depend on its derivation with `#[dref]`",
    );
    for value in [vec!["__self__"], vec!["__self__", "a.txt"]] {
        refused(
            (1, value),
            "the field `lr[1]` of the config `anneal` is a list that begins with \"__self__\", which Pylightnix would \
             read as a promise",
            "`#[selfref(\"path\")]`",
        );
    }
    let mut config = ConfigWriter::new(&Name::new("anneal").unwrap());
    // Pylightnix does not take either of these for a promise.
    config.field("a").plain("__self__").unwrap();
    config.field("b").plain(&["a", "__self__"]).unwrap();
}

/// Nested lists of this depth.
struct Lists(usize);

impl Serialize for Lists {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => 1.serialize(serializer),
            depth => [Lists(depth - 1)].serialize(serializer),
        }
    }
}

#[test]
fn nesting_has_a_bound_typed_and_untyped() {
    // The object of the config is the first level.
    let mut config = ConfigWriter::new(&Name::new("anneal").unwrap());
    config.field("lr").plain(&Lists(127)).unwrap();
    let config = config.finish();
    assert_eq!(ConfigJson::from_json(config.text()).unwrap(), config);
    let mut fields = config.fields().unwrap();
    let value = StoredValue::new("lr", fields.take("lr").unwrap());
    value.plain::<serde_json::Value>().unwrap();

    let path = format!("lr{}", "[0]".repeat(127));
    let help = "into a file that a stage reads";
    refused(
        Lists(128),
        &format!("the field `{path}` of the config `anneal` is nested more than 128 levels deep"),
        help,
    );
    for depth in [128, 100_000] {
        let text = format!(
            "{{\"name\": \"n\", \"lr\": {}1{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert_error(
            &ConfigJson::from_json(&text).unwrap_err(),
            &format!(
                "the field `{path}` of the config is nested more than 128 levels deep, at line 1 column 148"
            ),
            help,
        );
    }
}

#[track_caller]
fn text_refused(text: &str, message: &str, help: &str) {
    assert_error(&ConfigJson::from_json(text).unwrap_err(), message, help);
}

#[test]
fn texts_that_are_no_json_name_field_line_and_column() {
    let no_json = "JSON has no comments and no trailing commas";
    text_refused(
        "{\n  \"name\": \"n\",\n  \"lr\": {\"a\": [1, {\"rate\": nan}]}\n}",
        "the config is not valid JSON: expected ident, in the field `lr.a[1].rate`, at line 3 column 29",
        no_json,
    );
    text_refused(
        "{\"name\": \"n\", \"x\": [1, ]}",
        "the config is not valid JSON: trailing comma, in the field `x[1]`, at line 1 column 24",
        no_json,
    );
    text_refused(
        "",
        "the config is not valid JSON: EOF while parsing a value, at line 1 column 0",
        no_json,
    );
    text_refused(
        "{\"name\": \"n\"} {}",
        "the config is not valid JSON: trailing characters, at line 1 column 15",
        no_json,
    );
    text_refused(
        "{\"name\": \"n\", \"x\": 01}",
        "the config is not valid JSON: invalid number, in the field `x`, at line 1 column 21",
        no_json,
    );
}

#[test]
fn texts_that_are_no_config() {
    text_refused(
        "[1]",
        "the config is a list, not an object",
        "{\"name\": \"stage\", ..}",
    );
    text_refused(
        "{\"x\": 1,\n \"name\": 5}",
        "the field `name` of the config is a number, not a string, at line 2 column 10",
        "1 to 200 of the characters",
    );
    text_refused(
        "{\"name\": \"a b\"}",
        "the field `name` of the config is not a valid name: the name \"a b\" has the invalid character ' ', at line 1 column 10",
        "1 to 200 of the characters",
    );
    text_refused(
        "{\"name\": \"n\", \"x\": [{\"a\": 1, \"\\u0061\": 2}]}",
        "the field `x[0]` of the config has the key \"a\" twice, at line 1 column 40",
        "keep one",
    );
    text_refused(
        "{\"name\": \"n\", \"name\": \"n\"}",
        "the config has the key \"name\" twice, at line 1 column 23",
        "keep one",
    );
    text_refused(
        "{\"name\": \"n\", \"x\": -1e999}",
        "the field `x` of the config is a number too large for a 64-bit float, at line 1 column 20",
        "1.7976931348623157e+308",
    );
    text_refused(
        "{\"name\": \"n\", \"x\": [\"\\ud83d\"]}",
        "the field `x[0]` of the config has a string that is not valid Unicode: unexpected end of hex escape, at line 1 column 21",
        "both halves",
    );
    text_refused(
        &format!("{{\"name\": \"n\",\n\"x\": {{\"a\": {RREF:?}}}}}"),
        &format!(
            "the field `x.a` of the config is the string {RREF:?}, a reference of a realization, which a config cannot hold, \
             at line 2 column 12"
        ),
        "depend on its derivation",
    );
}

#[test]
fn bytes_that_no_store_has_written() {
    let config = ConfigJson::from_json("{\"name\": \"n\", \"x\": [1.5, \"\u{e9}\"]}").unwrap();
    let text = config.text();
    assert_eq!(ConfigJson::from_canonical(text.as_bytes()).unwrap(), config);
    for (edited, place) in [
        (format!("{text}\n"), "line 7 column 2"),
        (text.replace("1.5", "1.50"), "line 4 column 12"),
        (text.replace("\\u00e9", "\u{e9}"), "line 5 column 10"),
        (text.replace("    ", "  "), "line 2 column 3"),
        (text.replace('\n', "\r\n"), "line 1 column 2"),
    ] {
        let error = ConfigJson::from_canonical(edited.as_bytes()).unwrap_err();
        assert_error(
            &error,
            &format!(
                "the config.json is not canonical: its bytes differ from the canonical ones at {place}"
            ),
            "this one was edited, is damaged, or is not from a store",
        );
    }
    let torn = ConfigJson::from_canonical(&text.as_bytes()[..40]).unwrap_err();
    assert_error(&torn, "the config.json is not canonical", "restore it");
    assert!(
        format!("{torn:?}").contains("caused by: the config is not valid JSON"),
        "{torn:?}"
    );
    let binary = ConfigJson::from_canonical(b"\xff\x00").unwrap_err();
    assert_error(
        &binary,
        "the config.json is not canonical: it is not UTF-8",
        "restore it",
    );
}

#[test]
fn stored_values_of_another_form() {
    let text = format!(
        r#"{{"name": "n", "n": 5, "runs": [{DREF:?}, "dref:x", ["__self__", "a"], [], [1], {{"k": null}}]}}"#
    );
    let config = ConfigJson::from_json(&text).unwrap();
    let mut fields = config.fields().unwrap();
    let number = StoredValue::new("n", fields.take("n").unwrap());
    let runs = StoredValue::new("runs", fields.take("runs").unwrap());
    let items = runs.list().unwrap();
    let help = "another version of its struct";
    let of = "of the stored config";
    assert_error(
        &number.plain::<String>().unwrap_err(),
        &format!(
            "the field `n` {of} does not fit its type: invalid type: integer `5`, expected a string"
        ),
        help,
    );
    assert_error(
        &number.plain::<u8>().and(number.dref()).unwrap_err(),
        &format!("the field `n` {of} is a number, not the reference of a derivation"),
        help,
    );
    assert_error(
        &items[1].dref().unwrap_err(),
        &format!("the field `runs[1]` {of} is not a reference of a derivation"),
        help,
    );
    let refpath = "a list of the reference of a derivation and the parts of a path";
    assert_error(
        &items[0].refpath().unwrap_err(),
        &format!("the field `runs[0]` {of} is a string, not {refpath}"),
        help,
    );
    assert_error(
        &items[2].refpath().unwrap_err(),
        &format!("the field `runs[2]` {of} is not {refpath}"),
        help,
    );
    assert_error(
        &items[3].refpath().unwrap_err(),
        &format!("the field `runs[3]` {of} is an empty list, not {refpath}"),
        help,
    );
    assert_error(
        &items[4].selfref().unwrap_err(),
        &format!(
            "the field `runs[4]` {of} is not a list of \"__self__\" and the parts of a path: invalid type: integer `1`, \
             expected a string"
        ),
        help,
    );
    assert_error(
        &items[5].map().unwrap()[0].1.list().unwrap_err(),
        &format!("the field `runs[5].k` {of} is null, not a list"),
        help,
    );
    assert_error(
        &runs.map().unwrap_err(),
        &format!("the field `runs` {of} is a list, not an object"),
        help,
    );
}
