//! Comparison tables.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::{Format as _, Npy};
use pylightnix::store::{Cell, ColumnKind, Comparison, Context, Outcome, Series, Store};
use serde_json::json;
use std::fs;
use std::path::Path;
use tests::runs::{assert_says, scratch};
use tests::store::{built, publish_texts};

fn config(text: &str) -> ConfigJson {
    ConfigJson::from_json(text).unwrap()
}

/// Publishes a realization of the stage `run`, with these fields in its config and this content in `scores.json`.
fn run(store: &Store, fields: &str, scores: &str) -> RRefId {
    let config = config(&format!(r#"{{"name": "run", {fields}}}"#));
    publish_texts(
        store,
        &config,
        &Context::empty(),
        &[("scores.json", scores)],
    )
}

fn names(table: &Comparison) -> Vec<&str> {
    let names = table.columns.iter().map(|column| column.name.as_str());
    names.collect()
}

/// Returns the cells of a column as text.
#[track_caller]
fn cells(table: &Comparison, column: &str) -> Vec<String> {
    let at = names(table).iter().position(|name| *name == column);
    let at = at.unwrap_or_else(|| panic!("{column:?} is not in {:?}", names(table)));
    let text = |cell: &Option<Cell>| cell.as_ref().map_or("-".to_owned(), ToString::to_string);
    table.rows.iter().map(|row| text(&row.cells[at])).collect()
}

#[test]
fn the_fields_that_differ_and_the_numbers() {
    let (_folder, store) = scratch();
    let all = [
        run(
            &store,
            r#""same": 1, "rate": 0.5, "opt": {"kind": "sgd", "step": 1}, "layers": [1, 2]"#,
            r#"{"accuracy": 0.9, "text": "x", "by": {"a b": 1, "flag": true}, "loss": [3, 2, null]}"#,
        ),
        run(
            &store,
            r#""same": 1.0, "rate": 0.25, "opt": {"kind": "sgd", "step": 2}, "layers": [1, 3], "more": "y""#,
            r#"{"loss": [1], "accuracy": 0.8, "empty": []}"#,
        ),
    ];
    // Duplicates in the request are ignored.
    let table = store.compare(all.iter().chain(&all)).unwrap();
    assert_eq!(
        names(&table),
        [
            "rate",
            "opt.step",
            "layers",
            "more",
            "scores.accuracy",
            "scores.by[\"a b\"]",
            "scores.loss",
            "built",
            "seconds",
            "bytes"
        ]
    );
    assert_eq!(cells(&table, "rate"), ["0.5", "0.25"]);
    assert_eq!(cells(&table, "layers"), ["[1,2]", "[1,3]"]);
    assert_eq!(cells(&table, "more"), ["-", "y"]);
    assert_eq!(cells(&table, "scores.by[\"a b\"]"), ["1", "-"]);
    assert_eq!(cells(&table, "scores.loss"), ["[3.0,2.0,null]", "[1.0]"]);
    assert_eq!(cells(&table, "bytes")[1], "43");
    assert_eq!(table.columns[0].kind, ColumnKind::Field);
    assert_eq!(table.columns[4].kind, ColumnKind::Number);
    let rows: Vec<_> = table.rows.iter().map(|row| &row.rref).collect();
    assert_eq!(rows, [&all[0], &all[1]]);
    // With one row nothing differs.
    let table = store.compare(&all[..1]).unwrap();
    assert_eq!(names(&table)[0], "scores.accuracy");
    assert!(store.compare(&all[..0]).unwrap().rows.is_empty());
    let json = serde_json::to_value(&table).unwrap();
    assert_eq!(json[0]["rref"], json!(all[0].to_string()));
    assert_eq!(json[0]["values"]["scores.loss"], json!([3.0, 2.0, null]));
}

#[test]
fn dependencies_are_looked_into() {
    let (_folder, store) = scratch();
    let all = ["a", "b"].map(|path| {
        let data = config(&format!(
            r#"{{"name": "data", "path": "{path}", "same": 1}}"#
        ));
        let data = publish_texts(&store, &data, &Context::empty(), &[("x", path)]);
        let on = config(&format!(r#"{{"name": "run", "data": "{}"}}"#, data.dref()));
        publish_texts(&store, &on, &[data].into_iter().collect(), &[("x", "")])
    });
    let table = store.compare(&all).unwrap();
    assert_eq!(names(&table)[0], "data.path");
    assert_eq!(cells(&table, "data.path"), ["a", "b"]);
}

#[test]
fn what_was_left_out_code_and_failures() {
    let (_folder, store) = scratch();
    let publish = |n: u32, code: &str, outcome| {
        let mut build = built();
        build.fingerprint = Some(code.to_owned());
        let left_out = [
            ("rate".to_owned(), json!(0.1)),
            ("same".to_owned(), json!(1)),
        ];
        build.omitted = left_out.into();
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("n"), n.to_string()).unwrap();
        let config = config(&match n {
            2 => r#"{"name": "run", "rate": 0.2}"#.to_owned(),
            _ => r#"{"name": "run"}"#.to_owned(),
        });
        draft
            .publish(&config, &Context::empty(), outcome, &build)
            .unwrap()
            .id
    };
    let all = [
        publish(1, "0123456789abcdef", Outcome::Ok),
        publish(2, "fedcba9876543210", Outcome::Failed),
    ];
    let table = store.compare(&all).unwrap();
    assert_eq!(names(&table)[..3], ["rate", "code", "ended"]);
    assert_eq!(cells(&table, "rate"), ["0.1", "0.2"]);
    assert_eq!(cells(&table, "code"), ["01234567", "fedcba98"]);
    assert_eq!(cells(&table, "ended"), ["ok", "failed"]);
}

#[test]
fn sorted_filtered_and_chosen() {
    let (_folder, store) = scratch();
    let all: Vec<_> = [(2, "10"), (10, "null"), (9, "9"), (1, "[1, 0.5]")]
        .map(|(n, score)| run(&store, &format!(r#""n": {n}, "tag": "t,{n}""#), score))
        .into();
    let table = store.compare(&all).unwrap();
    let sorted = |column, descending| {
        let mut table = table.clone();
        table.sort_by(column, descending).unwrap();
        cells(&table, "n").join(" ")
    };
    assert_eq!(sorted("n", false), "1 2 9 10");
    assert_eq!(sorted("n", true), "10 9 2 1");
    assert_eq!(sorted("tag", false), "1 10 2 9");
    // A series is sorted by its last value; missing values come last.
    assert_eq!(sorted("scores", false), "1 9 2 10");
    assert_eq!(sorted("scores", true), "2 9 1 10");
    let left = |condition: &str| {
        let mut table = table.clone();
        table.retain(condition).unwrap();
        cells(&table, "n").join(" ")
    };
    assert_eq!(left("n>2"), "10 9");
    assert_eq!(left("n >= 2"), "2 10 9");
    assert_eq!(left("n<2.5"), "2 1");
    assert_eq!(left("n <= 1"), "1");
    assert_eq!(left("n = 9.0"), "9");
    assert_eq!(left("n == 9"), "9");
    assert_eq!(left("n != 9"), "2 10 1");
    assert_eq!(left("scores < 100"), "2 9 1");
    assert_eq!(left("scores != 10"), "10 9 1");
    assert_eq!(left("tag ~ ,1"), "10 1");
    assert_eq!(left("tag = t,1"), "1");
    assert_eq!(left("tag = \"t,1\""), "1");
    assert_eq!(left("tag > 5"), "");
    let mut few = table.clone();
    few.choose(&["scores", "tag"]).unwrap();
    few.retain("tag ~ 1").unwrap();
    let (two, one) = (&all[1], &all[3]);
    assert_eq!(
        few.to_csv(),
        format!("realization,scores,tag\n{two},,\"t,10\"\n{one},\"[1.0,0.5]\",\"t,1\"\n")
    );
    for refused in [
        few.sort_by("n", true),
        few.retain("n = 1"),
        few.choose(&["n"]),
    ] {
        let error = refused.unwrap_err();
        assert_says(&error, &["no column `n`", "there is `tag`, `scores`"]);
    }
    for text in ["", "n", "= 3", "n ! 3"] {
        assert_says(
            &few.retain(text).unwrap_err(),
            &["is not a condition", "rate >= 0.1"],
        );
    }
}

/// Publishes an array and a malformed file, and compares them.
fn arrays(store: &Store, write: impl Fn(&Path)) -> Comparison {
    let mut draft = store.plumbing().draft().unwrap();
    write(draft.out());
    let config = config(r#"{"name": "arrays"}"#);
    let done = draft.publish(&config, &Context::empty(), Outcome::Ok, &built());
    store.compare([done.unwrap().id]).unwrap()
}

fn array<T: Clone>(shape: &[usize], of: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), of).unwrap()
}

#[test]
fn arrays_of_numpy() {
    let (_folder, store) = scratch();
    let table = arrays(&store, |out| {
        let long: Vec<f64> = (0..5000).map(f64::from).collect();
        Npy::<f64>::write(&array(&[1, 5000], long), &out.join("long.npy")).unwrap();
        Npy::<i16>::write(&array(&[2], vec![-3, 4]), &out.join("short.npy")).unwrap();
        Npy::<f32>::write(&array(&[], vec![0.5]), &out.join("one.npy")).unwrap();
        Npy::<bool>::write(&array(&[2], vec![true, false]), &out.join("bools.npy")).unwrap();
        Npy::<f64>::write(&array(&[2, 2], vec![0.; 4]), &out.join("square.npy")).unwrap();
        Npy::<f64>::write(&array(&[0], vec![]), &out.join("none.npy")).unwrap();
        fs::write(out.join("bad.npy"), b"\x93NUMPY\x01\x00\xff\xff").unwrap();
        fs::write(out.join("bad.json"), "{").unwrap();
        fs::write(
            out.join("big.npy"),
            npy(">i4", "3,", &[0, 0, 1, 0, 0, 0, 0, 2, 255, 255, 255, 255]),
        )
        .unwrap();
        // The header states more values than there are.
        fs::write(
            out.join("huge.npy"),
            npy("<f8", "4611686018427387904,", &[0; 8]),
        )
        .unwrap();
    });
    assert_eq!(names(&table)[..5], ["big", "bools", "long", "one", "short"]);
    assert_eq!(names(&table)[5..], ["built", "seconds", "bytes"]);
    assert_eq!(cells(&table, "big"), ["[256.0,2.0,-1.0]"]);
    assert_eq!(cells(&table, "bools"), ["[1.0,0.0]"]);
    assert_eq!(cells(&table, "one"), ["0.5"]);
    assert_eq!(cells(&table, "short"), ["[-3.0,4.0]"]);
    let Some(Cell::Series(long)) = &table.rows[0].cells[2] else {
        panic!("{table:?}")
    };
    assert_eq!((long.len, long.values.len()), (5000, 1000));
    assert_eq!((long.values[0], long.values[999]), (0., 4999.));
    assert_eq!(long.sparkline(8), "▁▂▃▄▅▆▇█");
}

/// Returns a NumPy file.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn series(values: &str) -> Series {
    let (_folder, store) = scratch();
    let rref = run(&store, r#""n": 1"#, values);
    let table = store.compare([rref]).unwrap();
    match &table.rows[0].cells[0] {
        Some(Cell::Series(series)) => series.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn drawings_of_series() {
    assert_eq!(series("[1, 5, 3]").sparkline(10), "▁█▅");
    assert_eq!(series("[1, 5, 3, 3]").sparkline(2), "▅▅");
    assert_eq!(series("[2, 2]").sparkline(10), "▄▄");
    assert_eq!(series("[1, null, 2]").sparkline(10), "▁·█");
    assert_eq!(series("[null]").sparkline(10), "·");
    assert_eq!(series("[-1.7e308, 1.7e308]").sparkline(10), "▁█");
    assert_eq!(series("[1, 2]").sparkline(0), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arrays_hold_what_was_saved(values in prop::collection::vec(any::<f64>(), 2..50)) {
        let (_folder, store) = scratch();
        let table = arrays(&store, |out| {
            Npy::<f64>::write(&array(&[values.len()], values.clone()), &out.join("a.npy")).unwrap();
        });
        let Some(Cell::Series(series)) = &table.rows[0].cells[0] else { panic!("{table:?}") };
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&series.values), bits(&values));
        prop_assert!(series.sparkline(20).chars().count() == values.len().min(20));
    }

    #[test]
    fn no_file_is_too_strange(kind in "[<>|a-z0-9]{0,4}", shape in "[0-9, ]{0,12}", data in prop::collection::vec(any::<u8>(), 0..40)) {
        let (_folder, store) = scratch();
        arrays(&store, |out| {
            fs::write(out.join("a.npy"), npy(&kind, &shape, &data)).unwrap();
            fs::write(out.join("a.json"), &data).unwrap();
        });
    }
}
