//! The canonical JSON of configs: its bytes, written from typed values and from JSON, and parsing it.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use proptest::prelude::*;
use pylightnix::config::{ConfigJson, ConfigWriter, DRefId, Name, StoredValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

const DREF: &str = "dref:7c308bad0e7fa364790b71e6ffab924a-params";

fn writer() -> ConfigWriter {
    ConfigWriter::new(&Name::new("stage").unwrap())
}

/// The config `{"name": "stage", "x": value}`.
fn config<T: Serialize>(value: T) -> ConfigJson {
    let mut writer = writer();
    writer.field("x").plain(&value).unwrap();
    writer.finish()
}

/// Returns the canonical form of one value, without the rest of the config.
fn form<T: Serialize>(value: T) -> String {
    let config = config(value);
    let text = config.text();
    let start = "{\n    \"name\": \"stage\",\n    \"x\": ";
    text.strip_prefix(start)
        .and_then(|rest| rest.strip_suffix("\n}"))
        .unwrap_or_else(|| unreachable!("{text}"))
        .to_owned()
}

fn read<T: DeserializeOwned>(config: &ConfigJson) -> T {
    let mut fields = config.fields().unwrap();
    let raw = fields.take("x").unwrap();
    assert_eq!(fields.rest().next(), None);
    StoredValue::new("x", raw).plain().unwrap()
}

/// Checks that parsing the typed output as JSON and writing it again gives the same bytes, and that the value can be read
/// back.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = config(value);
    assert_eq!(ConfigJson::from_json(written.text()).unwrap(), written);
    assert_eq!(
        ConfigJson::from_canonical(written.text().as_bytes()).unwrap(),
        written
    );
    assert_eq!(&read::<T>(&written), value);
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(i32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, Option<bool>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Empty {}

#[derive(Serialize)]
struct Flat {
    z: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Schedule {
    Constant,
    Linear(f64),
    Steps(u32, f32),
    Cosine { period: u64, floor: Option<f64> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nested {
    zeta: i128,
    alpha: u128,
    schedule: Vec<Schedule>,
    by_name: HashMap<String, Vec<f64>>,
    by_char: BTreeMap<char, Option<Box<Nested>>>,
    text: String,
    single: f32,
    unit: (),
    tuple: (i8, u16, char),
}

fn float() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |value| value.is_finite())
}

fn single() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("finite", |value| value.is_finite())
}

fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Constant),
        float().prop_map(Schedule::Linear),
        (any::<u32>(), single()).prop_map(|(at, rate)| Schedule::Steps(at, rate)),
        (any::<u64>(), prop::option::of(float()))
            .prop_map(|(period, floor)| Schedule::Cosine { period, floor }),
    ]
}

fn nested() -> impl Strategy<Value = Nested> {
    let leaf = (
        (
            any::<i128>(),
            any::<u128>(),
            single(),
            any::<(i8, u16, char)>(),
        ),
        prop::collection::vec(schedule(), 0..4),
        prop::collection::hash_map(any::<String>(), prop::collection::vec(float(), 0..3), 0..4),
        any::<String>(),
    )
        .prop_map(
            |((zeta, alpha, single, tuple), schedule, by_name, text)| Nested {
                zeta,
                alpha,
                schedule,
                by_name,
                by_char: BTreeMap::new(),
                text,
                single,
                unit: (),
                tuple,
            },
        );
    leaf.prop_recursive(3, 12, 3, |inner| {
        let children =
            prop::collection::btree_map(any::<char>(), prop::option::of(inner.clone()), 0..3);
        (inner, children).prop_map(|(outer, children)| Nested {
            by_char: children
                .into_iter()
                .map(|(key, child)| (key, child.map(Box::new)))
                .collect(),
            ..outer
        })
    })
}

proptest! {
    #[test]
    fn typed_values_agree_with_their_text_and_come_back(value in nested()) {
        round_trip(&value);
    }

    #[test]
    fn floats_come_back_to_the_bit(value in float()) {
        prop_assert_eq!(form(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        prop_assert_eq!(read::<f64>(&config(value)).to_bits(), value.to_bits());
    }

    #[test]
    fn single_floats_come_back_to_the_bit(value in single()) {
        prop_assert_eq!(form(value).parse::<f32>().unwrap().to_bits(), value.to_bits());
        prop_assert_eq!(read::<f32>(&config(value)).to_bits(), value.to_bits());
        // There are no more digits than the precision of the type.
        prop_assert!(form(value).bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count() <= 17);
        prop_assert_eq!(form(vec![value]), format!("[\n        {}\n    ]", form(value)));
    }

    #[test]
    fn strings_come_back_and_are_ascii(value: String) {
        let text = form(&value);
        prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}", text);
        prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value.clone());
        round_trip(&value);
    }

    #[test]
    fn maps_are_sorted_by_the_bytes_of_their_keys(map: HashMap<String, u8>) {
        let sorted: BTreeMap<_, _> = map.clone().into_iter().collect();
        let config = config(&map);
        prop_assert_eq!(&config, &self::config(&sorted));
        let mut fields = config.fields().unwrap();
        let keys: Vec<String> = StoredValue::new("x", fields.take("x").unwrap())
            .map().unwrap().into_iter().map(|(key, _)| key.into_owned()).collect();
        prop_assert_eq!(keys, sorted.into_keys().collect::<Vec<_>>());
    }

    #[test]
    fn any_json_keeps_its_order_and_is_canonical_once_written(value in nested(), tail in "[a-z]{1,5}") {
        // On one line, with `name` in the middle.
        let text = format!(
            "{{\"before\": {}, \"name\": \"stage\", \"after {tail}\": [null, true]}}",
            serde_json::to_string(&value).unwrap()
        );
        let config = ConfigJson::from_json(&text).unwrap();
        prop_assert_eq!(config.id().name().as_str(), "stage");
        let start = "{\n    \"before\": {\n        \"zeta\": ";
        prop_assert!(config.text().starts_with(start), "{}", config.text());
        prop_assert_eq!(&ConfigJson::from_canonical(config.text().as_bytes()).unwrap(), &config);
        let mut fields = config.fields().unwrap();
        let before = fields.take("before").unwrap();
        prop_assert_eq!(StoredValue::new("before", before).plain::<Nested>().unwrap(), value);
    }
}

#[test]
fn floats_are_laid_out_as_python_does() {
    // Expected values from `repr` of CPython 3.11.
    let known = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100000.0, "100000.0"),
        (123456789.125, "123456789.125"),
        (1e-4, "0.0001"),
        (0.00012345, "0.00012345"),
        (1e-5, "1e-05"),
        (-1.25e-5, "-1.25e-05"),
        (1e15, "1000000000000000.0"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (12345678901234567000.0, "1.2345678901234567e+19"),
        (1e22, "1e+22"),
        (1e23, "1e+23"),
        (1e100, "1e+100"),
        (5e-324, "5e-324"),
        (2.2250738585072014e-308, "2.2250738585072014e-308"),
        (f64::MAX, "1.7976931348623157e+308"),
        // Halfway between two shortest decimals: the even digit wins.
        (768262547500885.0 + 0.25, "768262547500885.2"),
        (5.684341886080802e-14, "5.684341886080802e-14"),
        (9007199254740993.0, "9007199254740992.0"),
        (2f64.powi(-1014), "5.696189077778436e-306"),
    ];
    for (value, repr) in known {
        assert_eq!(form(value), repr);
    }
    assert_eq!(form(0.1_f32), "0.1");
    assert_eq!(form(16777216_f32), "16777216.0");
    assert_eq!(form(1e-5_f32), "1e-05");
    assert_eq!(form(f32::MAX), "3.4028235e+38");
}

#[test]
fn every_kind_of_value_has_its_form() {
    assert_eq!(form(i128::MIN), "-170141183460469231731687303715884105728");
    assert_eq!(form(u128::MAX), "340282366920938463463374607431768211455");
    assert_eq!(form(u64::MAX), "18446744073709551615");
    assert_eq!(
        form((true, false)),
        "[\n        true,\n        false\n    ]"
    );
    assert_eq!(form(None::<u8>), "null");
    assert_eq!(form(Some(5)), "5");
    assert_eq!(form(()), "null");
    assert_eq!(form(Unit), "null");
    assert_eq!(form(Newtype(-3)), "-3");
    assert_eq!(form(Pair(1, None)), "[\n        1,\n        null\n    ]");
    assert_eq!(form('\u{1f600}'), r#""\ud83d\ude00""#);
    assert_eq!(
        form("\u{7f}\u{8}\u{c}\n\r\t\"\\/\0\u{e9}"),
        r#""\u007f\b\f\n\r\t\"\\/\u0000\u00e9""#
    );
    assert_eq!(form(Vec::<u8>::new()), "[]");
    assert_eq!(form(Empty {}), "{}");
    assert_eq!(form(BTreeMap::<String, u8>::new()), "{}");
    assert_eq!(
        form([Vec::<u8>::new(), vec![1]]),
        "[\n        [],\n        [\n            1\n        ]\n    ]"
    );
    assert_eq!(form(Schedule::Constant), "\"Constant\"");
    assert_eq!(
        form(Schedule::Linear(0.5)),
        "{\n        \"Linear\": 0.5\n    }"
    );
    assert_eq!(
        form(Schedule::Steps(2, 0.1)),
        "{\n        \"Steps\": [\n            2,\n            0.1\n        ]\n    }"
    );
    assert_eq!(
        form(Schedule::Cosine {
            period: 9,
            floor: None
        }),
        "{\n        \"Cosine\": {\n            \"period\": 9,\n            \"floor\": null\n        }\n    }"
    );
    // Sorted by code points, as in Python, which is not the order of the escapes.
    assert_eq!(
        form(HashMap::from([
            ("é", 1),
            ("z", 2),
            ("A", 3),
            ("\u{1f600}", 4),
            ("\u{ffff}", 5)
        ])),
        "{\n        \"A\": 3,\n        \"z\": 2,\n        \"\\u00e9\": 1,\n        \"\\uffff\": 5,\n        \
         \"\\ud83d\\ude00\": 4\n    }"
    );
    // For serde, a struct with a flattened field is a map.
    let flat = Flat {
        z: 1,
        rest: BTreeMap::from([("a".to_owned(), 2)]),
    };
    assert_eq!(form(flat), "{\n        \"a\": 2,\n        \"z\": 1\n    }");
    // Only a string that parses is a reference, and keys are not references.
    assert_eq!(form("dref:not-one"), "\"dref:not-one\"");
    assert!(config(BTreeMap::from([(DREF, 1)])).deps().is_empty());
}

#[test]
fn references_and_promises_have_pylightnix_forms() {
    let params: DRefId = DREF.parse().unwrap();
    let other = DRefId::new([0; 16], Name::new("other").unwrap());
    let mut config = writer();
    config.field("out").selfref("a/\u{e9}.txt");
    config.field("none").null();
    let mut list = config.field("list").list();
    list.item().dref(&params);
    list.item().null();
    let mut inner = list.item().map();
    inner.entry("k").refpath(&other, "sub/b");
    inner.entry("whole").refpath(&other, "");
    inner.end();
    list.end();
    config.field("no_items").list().end();
    config.field("no_entries").map().end();
    let config = config.finish();
    assert_eq!(
        config.text(),
        r#"{
    "name": "stage",
    "out": [
        "__self__",
        "a",
        "\u00e9.txt"
    ],
    "none": null,
    "list": [
        "dref:7c308bad0e7fa364790b71e6ffab924a-params",
        null,
        {
            "k": [
                "dref:00000000000000000000000000000000-other",
                "sub",
                "b"
            ],
            "whole": [
                "dref:00000000000000000000000000000000-other"
            ]
        }
    ],
    "no_items": [],
    "no_entries": {}
}"#
    );
    assert_eq!(config.deps(), [other.clone(), params.clone()]);
    assert_eq!(ConfigJson::from_json(config.text()).unwrap(), config);

    let mut fields = config.fields().unwrap();
    assert_eq!(fields.name().as_str(), "stage");
    assert!(fields.take("name").is_none());
    let list = StoredValue::new("list", fields.take("list").unwrap());
    let out = StoredValue::new("out", fields.take("out").unwrap());
    assert!(fields.take("out").is_none());
    assert_eq!(out.selfref().unwrap(), "a/\u{e9}.txt");
    let items = list.list().unwrap();
    assert_eq!(items[0].dref().unwrap(), params);
    assert!(items[1].is_null() && !items[0].is_null());
    let entries = items[2].map().unwrap();
    assert_eq!(
        entries[0].1.refpath().unwrap(),
        (other.clone(), "sub/b".to_owned())
    );
    assert_eq!(entries[1].1.refpath().unwrap(), (other, String::new()));
    assert_eq!(entries[1].1.path(), "list[2].whole");
    assert_eq!(
        fields.rest().collect::<Vec<_>>(),
        ["none", "no_items", "no_entries"]
    );
}

#[test]
fn fields_without_a_value_are_left_out() {
    let mut config = writer();
    config.field("a").plain(&1).unwrap();
    let _ = config.field("dropped");
    config
        .field("failed")
        .plain(&[vec![1.0], vec![f64::NAN]])
        .unwrap_err();
    let mut list = config.field("list").list();
    list.item().plain(&[[f64::NAN]]).unwrap_err();
    let _ = list.item();
    list.end();
    config.field("b").plain(&2).unwrap();
    let _ = config.field("last");
    assert_eq!(
        config.finish().text(),
        "{\n    \"name\": \"stage\",\n    \"a\": 1,\n    \"list\": [],\n    \"b\": 2\n}"
    );
}

#[test]
fn numbers_of_a_text_are_those_of_python() {
    // Expected values from `json.dumps(json.loads(text))` of CPython 3.11.
    let big = "123456789012345678901234567890123456789012345678901234567890";
    for (text, canonical) in [
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("0", "0"),
        ("1E5", "100000.0"),
        ("1e+05", "100000.0"),
        ("1.50", "1.5"),
        ("1e-5", "1e-05"),
        ("1e-400", "0.0"),
        ("-1e-400", "-0.0"),
        ("1e22", "1e+22"),
        ("9007199254740993.0", "9007199254740992.0"),
        (big, big),
        (&format!("-{big}"), &format!("-{big}")),
        ("0.1000000000000000055511151231257827", "0.1"),
    ] {
        let config = ConfigJson::from_json(&format!("{{\"name\":\"n\",\"x\":{text}}}")).unwrap();
        assert_eq!(
            config.text(),
            format!("{{\n    \"name\": \"n\",\n    \"x\": {canonical}\n}}")
        );
    }
}

#[test]
fn what_python_adds_to_json_is_read_as_it_writes_it() {
    let text = r#"{"a":NaN,"b":[ Infinity,-Infinity, "NaN"],"name":"odd"}"#;
    let config = ConfigJson::from_json(text).unwrap();
    let canonical = "{\n    \"a\": NaN,\n    \"b\": [\n        Infinity,\n        -Infinity,\n        \"NaN\"\n    ],\n    \
                     \"name\": \"odd\"\n}";
    assert_eq!(config.text(), canonical);
    assert_eq!(
        config.id().to_string(),
        "dref:be1d3803bcfa9a3606c1c1d57eddb8a8-odd"
    );
    assert_eq!(
        ConfigJson::from_canonical(canonical.as_bytes()).unwrap(),
        config
    );
    // Readers of fields find texts.
    let mut fields = config.fields().unwrap();
    assert_eq!(fields.take("a").unwrap().get(), "\"NaN\"");
    let b: Vec<String> = serde_json::from_str(fields.take("b").unwrap().get()).unwrap();
    assert_eq!(b, ["Infinity", "-Infinity", "NaN"]);
    for wrong in ["1NaN", "-NaN", "nan", "+Infinity", "NaN NaN", "NaN1"] {
        let text = format!("{{\"name\": \"n\", \"x\": {wrong}}}");
        assert!(ConfigJson::from_json(&text).is_err(), "{wrong}");
    }

    let unnamed = ConfigJson::from_json("{\"x\": 1}").unwrap();
    assert_eq!(unnamed.text(), "{\n    \"x\": 1\n}");
    assert_eq!(
        unnamed.id().to_string(),
        "dref:884066cea7e3bda6a1705a0047ebf121-unnamed"
    );
}

#[test]
fn another_order_is_another_derivation() {
    let one = ConfigJson::from_json(r#"{"name": "n", "a": 1, "b": 2}"#).unwrap();
    let other = ConfigJson::from_json(r#"{"b": 2, "a": 1, "name": "n"}"#).unwrap();
    assert_eq!(other.id().name().as_str(), "n");
    assert_eq!(
        other.text(),
        "{\n    \"b\": 2,\n    \"a\": 1,\n    \"name\": \"n\"\n}"
    );
    assert_ne!(one.id(), other.id());
}

proptest! {
    /// Dependencies are parsed from the text on demand, whatever the other values are.
    #[test]
    fn dependencies_are_the_values_that_are_references(
        deps in prop::collection::vec((any::<[u8; 16]>(), "[a-z]{1,4}"), 0..4),
        texts in prop::collection::vec("(\\\\|\"|: |)(dref|[a-z:,\u{e9}]|\\\\|\"){0,5}", 0..4),
    ) {
        let dref = |(hash, name): &([u8; 16], String)| DRefId::new(*hash, Name::new(name).unwrap());
        let deps: Vec<DRefId> = deps.iter().map(dref).collect();
        let mut config = writer();
        let mut list = config.field("list").list();
        for text in &texts {
            list.item().plain(text).unwrap();
            deps.iter().for_each(|dep| list.item().dref(dep));
            // Not a reference, because of its prefix.
            list.item().plain(&format!("\\{DREF}")).unwrap();
        }
        deps.iter().for_each(|dep| list.item().dref(dep));
        list.end();
        let keyed: BTreeMap<String, &String> =
            texts.iter().map(|text| (format!("{DREF}{text}"), text)).collect();
        config.field("map").plain(&keyed).unwrap();
        let config = config.finish();
        let wanted: BTreeSet<DRefId> = deps.into_iter().collect();
        prop_assert!(config.deps().iter().eq(&wanted), "{}", config.text());
        let again = ConfigJson::from_json(config.text()).unwrap();
        prop_assert_eq!(again.deps(), config.deps());
        prop_assert_eq!(again, config);
    }
}
