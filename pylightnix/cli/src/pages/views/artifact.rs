//! An artifact, as what it is.

use maud::{Markup, html};

use super::super::model::{Array, Artifact, Content, CsvTable, Query, Shown};
use super::frame::Page;
use super::markdown::markdown;
use super::{links, parts, plot};
use crate::text::{short_rref, size};
use crate::visible;
use pylightnix::config::RRefId;
use pylightnix::store::{Entry, EntryKind};

/// The most entries of a folder.
const ENTRIES: usize = 500;

pub(crate) fn artifact(page: &Artifact, query: &Query) -> Page {
    let raw = links::raw(&page.rref, &page.path);
    Page {
        title: format!("{} of {}", visible::line(&page.path), page.rref.name()),
        part: "Stages",
        body: html! {
            p.trail { a href=(links::realization(&page.rref)) { (page.rref.name()) " " (short_rref(&page.rref)) } }
            h1 { (visible::line(&page.path)) }
            @if !matches!(page.content, Content::Folder(_) | Content::Link(_)) {
                p.faint { (size(page.size)) " · " a href=(raw) download { "download" } }
            }
            (content(page, query, &raw))
        },
    }
}

fn content(page: &Artifact, query: &Query, raw: &str) -> Markup {
    match &page.content {
        Content::Folder(entries) => list(&page.rref, entries),
        Content::Image => html! { img.artifact src=(raw) alt=(visible::line(&page.path)); },
        Content::Text(text, left_out) => html! {
            pre.text tabindex="0" { (visible::lines(text)) }
            @if *left_out > 0 { p.faint { "and " (size(*left_out)) " more" } }
        },
        Content::Json(value) => parts::json(value),
        Content::Markdown(text) => markdown(text),
        Content::Csv(table) => csv(page, table, query),
        Content::Array(found) => array(page, found),
        Content::Html => html! {
            p.faint { "In a sandbox: its scripts see nothing of these pages, and reach no network." }
            iframe sandbox="allow-scripts" src=(raw) title=(visible::line(&page.path)) {}
        },
        Content::Link(target) => html! { p { "A link to " code { (visible::line(target)) } } },
        Content::Other(why) => html! { p.empty { "It is not shown: " (why) "." } },
    }
}

/// The entries of a tree.
pub(super) fn list(rref: &RRefId, entries: &[Entry]) -> Markup {
    let rows = html! {
        table {
            thead { tr { th scope="col" { "Path" } th.number scope="col" { "Size" } } }
            tbody {
                @for entry in entries.iter().take(ENTRIES) {
                    tr {
                        th scope="row" {
                            a href=(links::artifact(rref, &entry.path)) { (visible::line(&entry.path)) @if entry.kind == EntryKind::Dir { "/" } }
                            @if let EntryKind::Link { target } = &entry.kind { " → " (visible::line(target)) }
                        }
                        td.number { @if let EntryKind::File { size: bytes, .. } = &entry.kind { (size(*bytes)) } }
                    }
                }
            }
        }
    };
    html! {
        (parts::scrolled("Artifacts", rows))
        @if entries.len() > ENTRIES { p.faint { "and " (entries.len() - ENTRIES) " more" } }
    }
}

fn csv(page: &Artifact, table: &CsvTable, query: &Query) -> Markup {
    let is_number = |at: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(at));
        cells.all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
    };
    let numeric: Vec<bool> = (0..table.headings.len()).map(is_number).collect();
    let rows = html! {
        table {
            thead { tr {
                th.number scope="col" { "Row" }
                @for (name, number) in table.headings.iter().zip(&numeric) { th scope="col" .number[*number] { (visible::line(name)) } }
            } }
            tbody {
                @for (at, row) in table.rows.iter().enumerate() {
                    tr {
                        th.number scope="row" { (table.first + at + 1) }
                        @for (at, cell) in row.iter().enumerate() { td .number[numeric.get(at) == Some(&true)] { (visible::line(cell)) } }
                    }
                }
            }
        }
    };
    html! {
        p.faint { (table.all) " rows" @if table.left_out > 0 { ", " (table.left_out) " columns more" } }
        (parts::scrolled("Table", rows))
        (parts::pager(&links::artifact(&page.rref, &page.path), query, table.page, table.pages))
    }
}

fn array(page: &Artifact, array: &Array) -> Markup {
    let shape: Vec<String> = array.shape.iter().map(ToString::to_string).collect();
    html! {
        p { "An array of " code { (visible::line(&array.kind)) } ", " (if shape.is_empty() { "a single number".to_owned() } else { shape.join(" × ") }) }
        @match &array.shown {
            Shown::Line { values, .. } if values.len() == 1 => p { strong { (values[0]) } },
            Shown::Line { values, step } => {
                @let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(at, value)| ((at * step) as f64, *value)).collect();
                figure.big { (plot::chart(&page.path, &points)) }
            },
            Shown::Map { width, values } => (plot::heat(&format!("Heat map of {}", page.path), *width, values)),
        }
    }
}
