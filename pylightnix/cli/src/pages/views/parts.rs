//! What many pages have: references, times, tables of keys and values.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;
use std::fmt;

use super::super::model::Query;
use super::links;
use crate::text::{local_second, local_time, short_dref, short_rref};
use crate::visible;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::RecordedSeries;

use super::plot;

/// The most items of a list or an object of JSON that are shown.
const ITEMS: usize = 200;
/// The most points of a chart, which is about as wide.
const POINTS: usize = 600;
/// How deep JSON is shown open.
const OPEN: usize = 2;

/// A realization by its short reference, with its name.
pub(super) fn rref(rref: &RRefId) -> Markup {
    html! { a.ref href=(links::realization(rref)) title=(rref) { (short_rref(rref)) } " " (rref.name()) }
}

/// A realization by its short reference.
pub(super) fn short(rref: &RRefId) -> Markup {
    html! { a.ref href=(links::realization(rref)) title=(rref) { (short_rref(rref)) } }
}

/// A derivation by its short reference.
pub(super) fn dref(dref: &DRefId) -> Markup {
    html! { a.ref href=(links::reference(&dref.to_string())) title=(dref) { (short_dref(dref)) } }
}

/// A time to the minute.
pub(super) fn time(time: Timestamp) -> Markup {
    html! { time datetime=(time) title=(local_second(time)) { (local_time(time)) } }
}

/// A time to the second.
pub(super) fn second(time: Timestamp) -> Markup {
    html! { time datetime=(time) { (local_second(time)) } }
}

/// A word on a coloured ground.
pub(super) fn badge(kind: &str, word: impl fmt::Display) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// A text of one line from outside.
pub(super) fn line(text: &str) -> Markup {
    html! { (visible::line(text)) }
}

/// A table that scrolls by itself when it is too wide.
pub(super) fn scrolled(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// The links to the other pages of a table.
pub(super) fn pager(at: &str, query: &Query, page: usize, pages: usize) -> Markup {
    let to = |page: usize| format!("{at}{}", query.with("page", page));
    html! {
        @if pages > 1 {
            nav.pager aria-label="Pages of the table" {
                @if page > 1 { a href=(to(page - 1)) rel="prev" { "← before" } }
                span { "page " (page) " of " (pages) }
                @if page < pages { a href=(to(page + 1)) rel="next" { "next →" } }
            }
        }
    }
}

/// Returns points for a chart, the last one included: a running stage sends them again and again.
fn thinned(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let last = points.len().saturating_sub(1);
    let count = points.len().min(POINTS);
    let places = (0..count).map(|at| at * last / count.saturating_sub(1).max(1));
    places
        .map(|at| (points[at].0 as f64, points[at].1))
        .collect()
}

/// Series that stages recorded, each with a chart.
pub(super) fn series(all: &[RecordedSeries]) -> Markup {
    html! {
        div.charts {
            @for one in all.iter().take(40) {
                @let points = thinned(&one.points);
                figure.chart {
                    figcaption {
                        strong { (line(&one.name)) } " "
                        span.faint { (crate::text::number(one.last)) " at step " (one.step) }
                    }
                    (plot::chart(&one.name, &points))
                }
            }
        }
    }
}

/// A value as a tree that opens and closes.
pub(super) fn json(value: &Value) -> Markup {
    html! { div.json { (node(value, 0)) } }
}

fn node(value: &Value, depth: usize) -> Markup {
    let items: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            let items = items.iter().take(ITEMS).enumerate();
            items.map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Object(items) => {
            let items = items.iter().take(ITEMS);
            items.map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::String(text) => return html! { span.string { (visible::lines(text)) } },
        plain => return html! { span.plain { (plain.to_string()) } },
    };
    let (count, left, right) = match value {
        Value::Array(all) => (all.len(), "[", "]"),
        Value::Object(all) => (all.len(), "{", "}"),
        _ => (0, "", ""),
    };
    if items.is_empty() {
        return html! { span.plain { (left) (right) } };
    }
    let is_plain = items
        .iter()
        .all(|(_, value)| !value.is_array() && !value.is_object());
    if value.is_array() && is_plain && count <= 16 {
        let plain: Vec<String> = items.iter().map(|(_, value)| value.to_string()).collect();
        return html! { span.plain { (left) (visible::line(&plain.join(", "))) (right) } };
    }
    html! {
        details open[depth < OPEN] {
            summary { (left) span.faint { (count) } (right) }
            dl {
                @for (key, value) in &items {
                    div { dt { (visible::line(key)) } dd { (node(value, depth + 1)) } }
                }
            }
            @if count > items.len() { p.faint { "and " (count - items.len()) " more" } }
        }
    }
}
