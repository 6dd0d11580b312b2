//! Data of pages in files, as scripts that a page loads: blocks of rows of a stage, and of words that a search looks through.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::super::model::{StageRows, WordsOf};
use crate::text::{local_time, number, seconds, size};
use crate::visible;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell, ColumnKind};

/// How many numbers of a series a block has: enough for a drawing.
const POINTS: usize = 40;

/// Writes a block of rows of a stage. `shown` are the realizations that have pages.
pub(crate) fn rows_script(of: &StageRows, block: usize, shown: &BTreeSet<RRefId>) -> String {
    let columns = of.columns.iter().map(|column| {
        let kind = &column.column.kind;
        let is_number = column.is_number;
        json!([column.column.name, kind, column.is_usual, is_number])
    });
    let columns: Vec<Value> = columns.collect();
    let rows = of.block(block).iter().map(|row| {
        let cells = of.columns.iter().map(|column| {
            let cell = row.cells.get(column.at).and_then(Option::as_ref);
            cell.map_or(Value::Null, |cell| value(cell, column.column.kind))
        });
        let cells: Vec<Value> = cells.collect();
        json!([row.rref, u8::from(shown.contains(&row.rref)), cells])
    });
    let rows: Vec<Value> = rows.collect();
    let name = format!("stage/{}", of.name);
    script(&name, block, &json!({ "columns": columns, "rows": rows }))
}

/// Writes a block of words; the first one has the stages with their counts as well.
pub(crate) fn words_script(
    block: usize,
    words: &[WordsOf],
    stages: &[(&str, usize)],
    shown: &BTreeSet<RRefId>,
) -> String {
    let rows = words.iter().map(|one| {
        let is_shown = u8::from(shown.contains(&one.rref));
        json!([one.rref, is_shown, one.words])
    });
    let rows: Vec<Value> = rows.collect();
    let stages = if block == 0 { stages } else { &[] };
    script("search", block, &json!({ "stages": stages, "rows": rows }))
}

fn script(name: &str, block: usize, data: &Value) -> String {
    // No host and no editor is to see an element in it.
    let text = format!("pages.block({}, {block}, {data});\n", json!(name));
    text.replace('<', "\\u003c")
}

/// A cell as the scripts read it: a value; `v` with the text `t` that people read; or `s`, some of `n` numbers, with the last one as `t`.
fn value(cell: &Cell, kind: ColumnKind) -> Value {
    let said = |text: String| json!({ "v": cell.number(), "t": text });
    match (kind, cell) {
        (_, Cell::Series(series)) => {
            let last = series.values.len().saturating_sub(1);
            let count = series.values.len().min(POINTS);
            let places = (0..count).map(|at| at * last / count.saturating_sub(1).max(1));
            let points: Vec<f64> = places.map(|at| series.values[at]).collect();
            let text = series.values.last().copied().map(number);
            json!({ "s": points, "n": series.len, "t": text.unwrap_or_default() })
        }
        (ColumnKind::Built, cell) => {
            let text = cell.to_string();
            match text.parse() {
                // Times sort as texts.
                Ok(time) => json!(local_time(time)),
                Err(_) => json!(text),
            }
        }
        (ColumnKind::Seconds, _) => said(cell.number().map(seconds).unwrap_or_default()),
        (ColumnKind::Memory | ColumnKind::Bytes, Cell::Value(bytes)) => {
            said(bytes.as_u64().map(size).unwrap_or_default())
        }
        (_, Cell::Value(Value::Number(number))) => match number.as_f64() {
            // Whole numbers that scripts cannot hold are shown as they are.
            Some(float) if number.is_f64() || float.abs() < 9e15 => json!(number),
            _ => said(number.to_string()),
        },
        (_, cell) => json!(visible::line(&cell.to_string())),
    }
}
