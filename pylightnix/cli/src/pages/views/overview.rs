//! The first page: the stages of a store, and what happens to them.

use maud::{Markup, html};

use super::super::model::{Overview, Query, StageRow, Standing};
use super::frame::Page;
use super::{links, parts, runs};
use crate::text::{count, seconds, short_dref, size};
use crate::visible;
use pylightnix::config::DRefId;

/// The most stages of a kind that are named.
const NAMED: usize = 6;

pub(crate) fn overview(page: &Overview, query: &Query) -> Page {
    Page {
        title: "Stages".to_owned(),
        part: "Stages",
        body: html! {
            h1 { "Stages" }
            (facts(page))
            @if !page.running.is_empty() || !page.failed.is_empty() || !page.plans.is_empty() {
                div.cards { (running(page)) (failed(page)) @for plan in &page.plans { (standing(plan)) } }
            }
            @match page.stages.is_empty() {
                true => p.empty { "The store has no results yet: a run of an experiment makes them." },
                false => (stages(page, query)),
            }
            @if !page.runs.is_empty() {
                h2 { "Newest runs" }
                (runs::list(&page.runs))
            }
            (left_out(&page.left_out))
        },
    }
}

/// What could not be read.
pub(super) fn left_out(errors: &[String]) -> Markup {
    html! {
        @if !errors.is_empty() {
            details.fault {
                summary { (count(errors.len(), "result", "results")) " cannot be read: " code { "pylightnix check" } " says more" }
                ul { @for error in errors.iter().take(50) { li { (visible::line(error)) } } }
            }
        }
    }
}

fn facts(page: &Overview) -> Markup {
    let sum = |of: fn(&StageRow) -> usize| page.stages.iter().map(of).sum::<usize>();
    let time: f64 = page.stages.iter().map(|row| row.counts.build_seconds).sum();
    let results = sum(|row| row.counts.realizations);
    html! {
        dl.facts {
            div { dt { "Names" } dd { (page.stages.len()) } }
            div { dt { "Results" } dd { (results) } }
            div { dt { "Builds" } dd { (sum(|row| row.counts.builds)) } }
            div { dt { "Time of builds" } dd { (seconds(time)) } }
            @if page.is_whole {
                div {
                    dt { "On disk" }
                    dd {
                        @match &page.usage {
                            Some(usage) => (size(usage.all.disk)),
                            None => a href="/?usage=1" { "measure" },
                        }
                    }
                }
            }
        }
    }
}

fn running(page: &Overview) -> Markup {
    let is_there = |name: &str| page.stages.iter().any(|row| row.counts.name == name);
    html! {
        @if !page.running.is_empty() {
            section.card.building {
                h2 { (count(page.running.len(), "build", "builds")) " under way" }
                ul {
                    @for build in page.running.iter().take(NAMED) {
                        @let name = build.dref.name().as_str();
                        li {
                            @if is_there(name) { a href=(links::stage(name)) { (name) } } @else { (name) }
                            @if let Some(since) = build.since { " since " (parts::second(since)) }
                        }
                    }
                }
                (more(page.running.len()))
            }
        }
    }
}

fn failed(page: &Overview) -> Markup {
    html! {
        @if !page.failed.is_empty() {
            section.card.bad {
                h2 { (count(page.failures, "failed build", "failed builds")) " kept" }
                ul {
                    @for build in page.failed.iter().take(NAMED) {
                        li {
                            strong { (build.name) }
                            @if let Some(at) = build.at { " " (parts::time(at)) }
                            @if let Ok(Some(record)) = build.record() {
                                " " span.faint { (visible::line(record.error.lines().next().unwrap_or_default())) }
                            }
                        }
                    }
                }
                (more(page.failures))
            }
        }
    }
}

fn standing(plan: &Standing) -> Markup {
    // Of a stage without results there is nothing to show.
    let names = |drefs: &[DRefId], has_results: bool| {
        html! {
            ul {
                @for dref in drefs.iter().take(NAMED) {
                    li {
                        @match has_results {
                            true => a href=(links::reference(&dref.to_string())) { (dref.name()) },
                            false => (dref.name()),
                        }
                        " " code.faint { (short_dref(dref)) }
                    }
                }
            }
            (more(drefs.len()))
        }
    };
    html! {
        section.card {
            h2 { (visible::line(&plan.program)) }
            p.faint {
                "As of its newest " a href=(links::run(&plan.run)) { "run" } ", begun " (parts::time(plan.begun)) ": a plan of "
                (count(plan.stages, "stage", "stages")) "."
                @if plan.is_cut { " There are too many of them to look at each." }
            }
            @if !plan.stale.is_empty() {
                h3 { (parts::badge("stale", "stale")) " " (plan.stale.len()) }
                (names(&plan.stale, true))
            }
            @if !plan.missing.is_empty() {
                h3 { (parts::badge("missing", "missing")) " " (plan.missing.len()) }
                (names(&plan.missing, false))
            }
            @if plan.stale.is_empty() && plan.missing.is_empty() && !plan.is_cut {
                p { (parts::badge("ok", "all there")) }
            }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > NAMED { p.faint { "and " (all - NAMED) " more" } } }
}

fn stages(page: &Overview, query: &Query) -> Markup {
    let sort = query.first("sort").unwrap_or("newest");
    let heading = |key: &str, word: &str, class: &str| {
        html! {
            th scope="col" class=(class) aria-sort=[(key == sort).then_some(if key == "name" { "ascending" } else { "descending" })] {
                a href={ "/" (query.with("sort", key)) } { (word) }
            }
        }
    };
    let table = html! {
        table {
            thead { tr {
                (heading("name", "Name", ""))
                th.number scope="col" { "Derivations" }
                (heading("realizations", "Results", "number"))
                th.number scope="col" { "Failures" }
                th.number scope="col" { "Builds" }
                (heading("time", "Time", "number"))
                @if page.usage.is_some() { (heading("disk", "On disk", "number")) }
                (heading("newest", "Newest", ""))
            } }
            tbody {
                @for row in &page.stages {
                    @let counts = &row.counts;
                    tr {
                        th scope="row" { a href=(links::stage(&counts.name)) { (counts.name) } }
                        td.number { (counts.derivations) }
                        td.number { (counts.realizations) }
                        td.number { @if counts.failures > 0 { (parts::badge("failed", counts.failures)) } @else { span.faint { "0" } } }
                        td.number { (counts.builds) }
                        td.number { (seconds(counts.build_seconds)) }
                        @if let Some(disk) = row.disk { td.number { (size(disk)) } }
                        td { @if let Some(newest) = counts.newest { (parts::time(newest)) } }
                    }
                }
            }
        }
    };
    parts::scrolled("Stages", table)
}
