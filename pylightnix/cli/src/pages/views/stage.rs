//! The table of a stage.

use maud::{Markup, html};

use super::super::model::{Plot, Progress, Query, StageTable};
use super::frame::Page;
use super::{links, overview, parts, plot};
use crate::text::{count, seconds, short_rref, size, thousands};
use crate::visible;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell, ColumnKind};

/// Writes a table of a stage.
pub(crate) fn stage(page: &StageTable, query: &Query) -> Page {
    let at = links::stage(&page.name);
    Page {
        title: page.name.clone(),
        part: "Stages",
        body: html! {
            h1 { (page.name) }
            p.faint {
                @match page.matching == page.all {
                    true => (count(page.all, "result", "results")),
                    false => { (page.matching) " of " (count(page.all, "result", "results")) },
                }
                span.live { " · " a href={ "/graph?of=" (page.name) } { "what the newest was made from" } }
            }
            @if let Some(progress) = page.progress {
                // A script follows it, and shows the table when it is whole.
                p.reading role="status" data-reading={ "/reading/" (page.name) } { (reading(progress)) }
            }
            // In files, a script makes what is shown here from blocks of rows.
            div data-rows=(page.name) data-count=(page.all) {
                (conditions(page, query, &at))
                (tools(page, query, &at))
                div.shown {
                    @if let Some(plot) = &page.plot { (drawn(plot)) }
                    (table(page, query, &at))
                    div.pages { (parts::pager(&at, query, page.page + 1, page.pages)) }
                }
            }
            (overview::left_out(&page.left_out))
        },
    }
}

/// Says how far the numbers of a stage are read.
pub(crate) fn reading(progress: Progress) -> String {
    let Progress { read, all } = progress;
    format!("numbers of {} of {} read", thousands(read), thousands(all))
}

/// The fields of a form for what stays as it is.
fn kept(query: &Query, but: &[&str]) -> Markup {
    html! { @for (key, value) in query.others(but) { input type="hidden" name=(key) value=(value); } }
}

fn conditions(page: &StageTable, query: &Query, at: &str) -> Markup {
    html! {
        form.filter action=(at) {
            (kept(query, &["page"]))
            label for="where" { "Only where" }
            input #where name="where" list="columns" placeholder="rate < 0.1" autocomplete="off" spellcheck="false";
            datalist #columns { @for (column, _) in &page.columns { option value=(column.name) {} } }
            button type="submit" { "Filter" }
        }
        @if query.first("where").is_some() {
            ul.chips aria-label="Conditions" {
                @for condition in query.all("where") {
                    li { code { (condition) } " "
                        a href={ (at) (query.without_value("where", condition).without("page")) } aria-label={ "Remove the condition " (condition) } { "×" } }
                }
            }
        }
        @if let Some(fault) = &page.fault { pre.fault { (fault) } }
    }
}

fn tools(page: &StageTable, query: &Query, at: &str) -> Markup {
    let choice = |key: &str, word: &str, names: &[String]| {
        html! {
            label { (word) " "
                select name=(key) {
                    option value="" { "–" }
                    @for name in names { option value=(name) selected[query.first(key) == Some(name)] { (name) } }
                }
            }
        }
    };
    html! {
        div.tools {
            @if page.numbers.len() > 1 || !page.series.is_empty() {
                details open[page.plot.is_some()] {
                    summary { "Plot" }
                    @if page.numbers.len() > 1 {
                        form action=(at) {
                            (kept(query, &["page", "x", "y", "plot"]))
                            (choice("x", "Across", &page.numbers)) (choice("y", "Up", &page.numbers))
                            button type="submit" { "Scatter" }
                        }
                        p { a href={ (at) (query.without("x").without("y").with("plot", "parallel")) } data-state="parallel" { "Parallel coordinates of the numbers" } }
                    }
                    @if !page.series.is_empty() {
                        form action=(at) {
                            (kept(query, &["page", "x", "y", "plot"]))
                            (choice("y", "Series", &page.series))
                            button type="submit" { "Overlay" }
                        }
                    }
                    @if page.plot.is_some() { p { a href={ (at) (query.without("x").without("y").without("plot")) } { "Without a plot" } } }
                }
            }
            details {
                summary { "Columns" }
                form action=(at) {
                    (kept(query, &["col"]))
                    fieldset.columns {
                        legend { "Show these columns" }
                        @for (column, is_shown) in &page.columns {
                            label { input type="checkbox" name="col" value=(column.name) checked[*is_shown]; " " (visible::line(&column.name)) }
                        }
                    }
                    button type="submit" { "Show" }
                    " " a href={ (at) (query.without("col")) } data-state="col" { "as usual" }
                }
            }
        }
    }
}

fn table(page: &StageTable, query: &Query, at: &str) -> Markup {
    let sort = query.first("sort");
    let is_down = query.first("desc").is_some();
    let heading = |name: &str, is_number: bool| {
        let is_sorted = sort == Some(name);
        let next = match (is_sorted, is_down) {
            (true, false) => query.with("sort", name).with("desc", 1),
            _ => query.with("sort", name).without("desc"),
        };
        html! {
            th scope="col" .number[is_number] data-column=(name) aria-sort=[is_sorted.then_some(if is_down { "descending" } else { "ascending" })] {
                a href={ (at) (next.without("page")) } { (visible::line(name)) }
            }
        }
    };
    let columns = &page.shown.columns;
    let numeric: Vec<bool> = (0..columns.len()).map(|at| is_numeric(page, at)).collect();
    let rows = html! {
        table.stage {
            thead { tr {
                th { span.hidden { "Mark" } }
                th scope="col" { "Result" }
                @for (column, number) in columns.iter().zip(&numeric) { (heading(&column.name, *number)) }
            } }
            tbody {
                @for row in &page.shown.rows {
                    tr {
                        td { input type="checkbox" name="r" value=(row.rref) aria-label={ "Mark " (short_rref(&row.rref)) }; }
                        th scope="row" { (parts::short(&row.rref)) }
                        @for ((cell, column), number) in row.cells.iter().zip(columns).zip(&numeric) {
                            td .number[*number] data-value=[raw(cell.as_ref())] { (shown(cell.as_ref(), column.kind)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        form action="/compare" {
            (parts::scrolled("Results", rows))
            p.below {
                button type="submit" { "Compare the marked ones" }
                @if page.pages > 1 {
                    span.faint { " rows " (page.first() + 1) " to " (page.first() + page.shown.rows.len()) " of " (page.matching) }
                }
            }
        }
        @if page.shown.rows.is_empty() { p.empty { "No result meets the conditions." } }
    }
}

fn is_numeric(page: &StageTable, at: usize) -> bool {
    let mut cells = page
        .shown
        .rows
        .iter()
        .filter_map(|row| row.cells[at].as_ref());
    page.shown.columns[at].kind != ColumnKind::Built
        && cells.all(|cell| matches!(cell, Cell::Value(value) if value.is_number()))
}

/// The number in a cell, by which rows are sorted.
fn raw(cell: Option<&Cell>) -> Option<f64> {
    cell.and_then(Cell::number)
}

/// A cell as people read it.
pub(super) fn shown(cell: Option<&Cell>, kind: ColumnKind) -> Markup {
    let Some(cell) = cell else {
        return html! { span.faint { "–" } };
    };
    match (kind, cell) {
        (_, Cell::Series(series)) => {
            let last = series.values.last().copied().map(crate::text::number);
            html! { (plot::sparkline(&series.values)) " " (last.unwrap_or_default()) }
        }
        (ColumnKind::Built, cell) => match cell.to_string().parse() {
            Ok(time) => parts::time(time),
            Err(_) => html! { (cell.to_string()) },
        },
        (ColumnKind::Seconds, cell) => html! { (cell.number().map(seconds).unwrap_or_default()) },
        (ColumnKind::Memory | ColumnKind::Bytes, Cell::Value(bytes)) => {
            html! { (bytes.as_u64().map(size).unwrap_or_default()) }
        }
        (ColumnKind::Tags, cell) => {
            html! { @for tag in cell.to_string().split(',') { (parts::badge("tag", visible::line(tag))) " " } }
        }
        (ColumnKind::Outcome, cell) if cell.to_string() == "failed" => {
            parts::badge("failed", "failed")
        }
        (_, cell) => {
            let text = cell.to_string();
            let short: String = text.chars().take(80).collect();
            html! { span title=[(short.len() < text.len()).then_some(&text)] { (visible::line(&short)) @if short.len() < text.len() { "…" } } }
        }
    }
}

fn drawn(of: &Plot) -> Markup {
    let named = |rref: &RRefId| (short_rref(rref), links::realization(rref));
    let part = |shown: usize, of: usize| html! { @if shown < of { p.faint { "drawn are " (shown) " of " (of) } } };
    match of {
        Plot::Scatter { x, y, points, of } => {
            let all: Vec<_> = points
                .iter()
                .map(|point| {
                    let (name, to) = named(&point.rref);
                    (
                        format!("{name}: {} at {}", point.y, point.x),
                        to,
                        point.x,
                        point.y,
                    )
                })
                .collect();
            html! { figure.big { figcaption { strong { (y) } " over " strong { (x) } } (plot::scatter(&format!("{y} over {x}"), &all)) (part(points.len(), *of)) } }
        }
        Plot::Overlaid { series, lines, of } => {
            let all: Vec<_> = lines
                .iter()
                .map(|(rref, points)| {
                    let (name, to) = named(rref);
                    (name, to, points.as_slice())
                })
                .collect();
            html! { figure.big { figcaption { strong { (series) } " over its steps" } (plot::overlaid(&format!("{series} of each result"), &all)) (part(lines.len(), *of)) } }
        }
        Plot::Parallel { axes, lines, of } => {
            let all: Vec<_> = lines
                .iter()
                .map(|(rref, line)| {
                    let (name, to) = named(rref);
                    (name, to, line.as_slice())
                })
                .collect();
            html! { figure.big { figcaption { "Numbers of each result" } (plot::parallel("Numbers of each result", axes, &all)) (part(lines.len(), *of)) } }
        }
    }
}
