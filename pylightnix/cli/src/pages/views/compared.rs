//! Realizations side by side.

use maud::{Markup, html};

use super::super::model::{Compared, FilePair, Query};
use super::frame::Page;
use super::stage::shown;
use super::text_diff::text_diff;
use super::{links, parts};
use crate::text::{number, short_rref};
use crate::visible;
use pylightnix::store::{Cell, Diff, FileChange};

pub(crate) fn compared(page: &Compared, query: &Query) -> Page {
    Page {
        title: format!("{} results compared", page.rrefs.len()),
        part: "Stages",
        body: html! {
            h1 { (page.rrefs.len()) " results side by side" }
            (numbers(page, query))
            @if let Some(diff) = &page.diff { (differences(diff)) }
            @for file in &page.files { (pair(page, file)) }
        },
    }
}

fn numbers(page: &Compared, query: &Query) -> Markup {
    let table = &page.table;
    let change = |at: usize| -> Option<String> {
        let number_of = |row: usize| match table.rows.get(row)?.cells[at].as_ref()? {
            Cell::Value(value) => value.as_f64(),
            cell => cell.number(),
        };
        let (old, new) = (number_of(0)?, number_of(1)?);
        let sign = if new >= old { "+" } else { "−" };
        let by = number((new - old).abs());
        Some(match old != 0. {
            true => format!(
                "{sign}{by} ({sign}{:.1} %)",
                ((new - old) / old).abs() * 100.
            ),
            false => format!("{sign}{by}"),
        })
    };
    let is_two = table.rows.len() == 2;
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { "Field" }
                @for row in &table.rows {
                    th scope="col" { (parts::short(&row.rref)) " " span.faint { (row.rref.name()) }
                        @if table.rows.len() > 2 { " " a href={ "/compare" (query.without_value("r", &row.rref.to_string())) } aria-label={ "Leave out " (short_rref(&row.rref)) } { "×" } } }
                }
                @if is_two { th scope="col" { "Change" } }
            } }
            tbody {
                @for (at, column) in table.columns.iter().enumerate() {
                    @let differs = table.rows.windows(2).any(|two| two[0].cells[at] != two[1].cells[at]);
                    tr .same[!differs] {
                        th scope="row" { (visible::line(&column.name)) }
                        @for row in &table.rows { td { (shown(row.cells[at].as_ref(), column.kind)) } }
                        @if is_two { td.number { @if differs { (change(at).unwrap_or_default()) } } }
                    }
                }
            }
        }
    };
    parts::scrolled("What differs", rows)
}

fn differences(diff: &Diff) -> Markup {
    let what = |change: &FileChange| match (&change.old, &change.new) {
        (Some(_), None) => "only in the first",
        (None, Some(_)) => "only in the second",
        _ => "differs",
    };
    html! {
        @if !diff.fields.is_empty() {
            h2 { "Fields" }
            ul.plain { @for field in &diff.fields { li { code { (visible::line(&field.to_string())) } } } }
        }
        @if !diff.only_old.is_empty() || !diff.only_new.is_empty() {
            h2 { "Made from" }
            ul.plain {
                @for rref in &diff.only_old { li { "the first: " (parts::rref(rref)) } }
                @for rref in &diff.only_new { li { "the second: " (parts::rref(rref)) } }
            }
        }
        h2 { "Artifacts" }
        @if diff.files.is_empty() { p.faint { "They are the same, byte by byte." } }
        ul.plain { @for file in diff.files.iter().take(200) { li { code { (visible::line(&file.path)) } " " (what(file)) } } }
        @if diff.files.len() > 200 { p.faint { "and " (diff.files.len() - 200) " more" } }
    }
}

fn pair(page: &Compared, file: &FilePair) -> Markup {
    let [one, other] = page.rrefs.as_slice() else {
        return html! {};
    };
    html! {
        @if file.is_picture {
            h3 { (visible::line(&file.path)) }
            div.pair {
                @for rref in [one, other] {
                    figure {
                        img src=(links::raw(rref, &file.path)) alt={ (visible::line(&file.path)) " of " (short_rref(rref)) };
                        figcaption { (short_rref(rref)) }
                    }
                }
            }
        } @else if let Some((old, new)) = &file.texts {
            h3 { (visible::line(&file.path)) }
            (text_diff(old, new))
        }
    }
}
