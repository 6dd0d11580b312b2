//! Configs made by Pylightnix 0.3.0 have the same bytes and references here.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::{ConfigJson, ConfigWriter, DRefId, Name};
use serde::Deserialize;
use serde_json::Value;

/// A sample: a config as `json.dumps` writes it on one line, the form that Pylightnix stores, and its reference.
#[derive(Deserialize)]
struct Sample {
    config: String,
    serialized: String,
    dref: DRefId,
}

fn samples() -> Vec<Sample> {
    include_str!("../data/pylightnix_golden.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Collects every reference in a config, as Pylightnix's `cfgdeps` does.
fn references(value: &Value, found: &mut Vec<DRefId>) {
    match value {
        Value::String(text) => found.extend(text.parse::<DRefId>()),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| references(field, found)),
        _ => {}
    }
}

#[test]
fn json_texts_become_pylightnix_bytes() {
    let samples = samples();
    assert_eq!(samples.len(), 63);
    for sample in samples {
        let config = ConfigJson::from_json(&sample.config).unwrap();
        assert_eq!(config.text(), sample.serialized);
        assert_eq!(config.id(), &sample.dref);
        let mut deps = Vec::new();
        references(&serde_json::from_str(&sample.config).unwrap(), &mut deps);
        deps.sort();
        deps.dedup();
        assert_eq!(config.deps(), deps);
    }
}

#[test]
fn stored_bytes_are_read_back() {
    for sample in samples() {
        let config = ConfigJson::from_canonical(sample.serialized.as_bytes()).unwrap();
        assert_eq!(config.id(), &sample.dref);
        assert_eq!(config.text(), sample.serialized);
        // The one-line form has the same content, and is not the stored form.
        ConfigJson::from_canonical(sample.config.as_bytes()).unwrap_err();
    }
}

#[test]
fn the_papers_derivations_have_the_papers_references() {
    let mut params = ConfigWriter::new(&Name::new("params").unwrap());
    params.field("out").selfref("params.npy");
    let params = params.finish();
    assert_eq!(
        params.id().to_string(),
        "dref:7c308bad0e7fa364790b71e6ffab924a-params"
    );

    let mut anneal = ConfigWriter::new(&Name::new("anneal").unwrap());
    anneal.field("trace_xs").selfref("tracex.npy");
    anneal.field("trace_fs").selfref("tracef.npy");
    anneal.field("out").selfref("result.npy");
    anneal.field("ref_params").dref(params.id());
    let anneal = anneal.finish();
    assert_eq!(
        anneal.id().to_string(),
        "dref:aeeb4bea649e22497b49dfc1ec5ebedf-anneal"
    );
    assert_eq!(anneal.deps(), [params.id().clone()]);

    let mut plot = ConfigWriter::new(&Name::new("plot").unwrap());
    plot.field("out").selfref("plot.png");
    plot.field("ref_anneal").dref(anneal.id());
    assert_eq!(
        plot.finish().id().to_string(),
        "dref:ff1dd5c155ee3faa445572e3246f0566-plot"
    );
}
