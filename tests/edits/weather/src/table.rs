//! Rows of measurements.

use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub station: String,
    pub hour: u32,
    pub value: f64,
}

pub type Table = Vec<Row>;

/// Reads `station,hour,value`.
pub fn parse(line: &str) -> Option<Row> {
    let mut parts = line.split(',');
    Some(Row {
        station: parts.next()?.to_owned(),
        hour: parts.next()?.parse().ok()?,
        value: number(parts.next()?)?,
    })
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<Real>().ok().map(f64::from)
}

/// How exact a measurement is read.
type Real = f64;
