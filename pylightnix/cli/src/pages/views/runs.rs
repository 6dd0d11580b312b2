//! Runs, and one of them as it goes on.

use maud::{Markup, html};

use super::super::model::{Phase, RunPage, RunRow, StageState};
use super::frame::Page;
use super::realization::log_text;
use super::{links, parts};
use crate::text::{seconds, short_dref};
use crate::visible;

/// The number of characters of an identifier that are shown.
const SHORT: usize = 13;
/// The most stages of a run that are shown.
const STAGES: usize = 300;

pub(crate) fn runs(rows: &[RunRow]) -> Page {
    Page {
        title: "Runs".to_owned(),
        part: "Runs",
        body: html! {
            h1 { "Runs" }
            @match rows.is_empty() {
                true => p.empty { "There are no runs: one that builds nothing leaves nothing." },
                false => (list(rows)),
            }
        },
    }
}

/// A table of runs.
pub(super) fn list(rows: &[RunRow]) -> Markup {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Run" } th scope="col" { "Begun" } th scope="col" { "State" } th scope="col" { "Took" }
                th scope="col" { "Stages" } th scope="col" { "Program" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { a.ref href=(links::run(&row.id)) { (row.id.get(..SHORT).unwrap_or(&row.id)) } }
                        td { (parts::time(row.record.begun)) }
                        td { (parts::badge(row.standing, row.standing)) }
                        td { (took(row)) }
                        td { (counts(row)) }
                        td { (visible::line(&row.record.program)) " " (visible::line(&row.record.targets.join(" "))) }
                    }
                }
            }
        }
    };
    parts::scrolled("Runs", table)
}

fn took(row: &RunRow) -> Markup {
    let took = row
        .last
        .map(|last| last.duration_since(row.record.begun).as_secs_f64());
    html! { (took.map(seconds).unwrap_or_default()) }
}

fn counts(row: &RunRow) -> Markup {
    html! { @for (phase, count) in &row.counts { (parts::badge(phase.word(), format_args!("{count} {}", phase.word()))) " " } }
}

/// A run. The script of the page puts what is new in the place of its state while it goes on.
pub(crate) fn run(page: &RunPage<'_>) -> Page {
    let record = &page.row.record;
    let is_running = page.row.standing == "running";
    Page {
        title: format!("Run of {}", record.program),
        part: "Runs",
        body: html! {
            p.trail { a href="/runs" { "All runs" } }
            h1 { "Run of " (visible::line(&record.program)) " " span.ref { (page.row.id.get(..SHORT).unwrap_or(&page.row.id)) } }
            @if is_running { noscript { p { a href="" { "Load again" } " to see what is new." } } }
            div #state data-live=[is_running.then(|| format!("{}/events", links::run(&page.row.id)))] { (run_state(page)) }
            @if !page.is_whole { p.faint { "Only the stages of chosen results are shown." } }
            @if page.is_whole { details {
                summary { "What was run" }
                dl.fields {
                    div { dt { "command" } dd { code { (visible::line(&record.command.join(" "))) } } }
                    div { dt { "in" } dd { (visible::line(&record.folder.display().to_string())) } }
                    div { dt { "by" } dd { (visible::line(&record.user)) ", process " (record.process) " on " (visible::line(&record.host)) } }
                    div { dt { "begun" } dd { (parts::second(record.begun)) } }
                    @if let Some(commit) = &record.commit { div { dt { "commit" } dd { (visible::line(commit)) } } }
                }
            } }
        },
    }
}

/// What changes of a run while it goes on.
pub(crate) fn run_state(page: &RunPage<'_>) -> Markup {
    html! {
        p role="status" { (parts::badge(page.row.standing, page.row.standing)) " " (counts(&page.row)) " " span.faint { (took(&page.row)) } }
        @if let Some(error) = page.error { pre.fault { (visible::lines(error)) } }
        @for one in &page.building {
            section.card.building {
                h2 { (one.build.dref.name()) " " (parts::dref(&one.build.dref))
                    @if let Some(since) = one.build.since { " " span.faint { "since " (parts::second(since)) } } }
                @if !one.series.is_empty() { (parts::series(&one.series)) }
                @if let Some(log) = &one.log { (log_text(log)) }
            }
        }
        (parts::scrolled("Stages of the run", stages(page)))
        @if page.stages.len() > STAGES { p.faint { "and " (page.stages.len() - STAGES) " more" } }
    }
}

fn stages(page: &RunPage<'_>) -> Markup {
    let title = |stage: &StageState| {
        let label = stage.label.as_deref().unwrap_or_default();
        html! { (stage.dref.name()) @if !label.is_empty() { " " span.faint { (visible::line(label)) } } }
    };
    html! {
        table {
            thead { tr { th scope="col" { "Stage" } th scope="col" { "State" } th.number scope="col" { "Took" } th scope="col" { "Result" } th scope="col" { "Why" } } }
            tbody {
                @for stage in page.stages.iter().take(STAGES) {
                    tr {
                        th scope="row" title=(short_dref(&stage.dref)) {
                            @match stage.rrefs.is_empty() && stage.phase != Phase::Reused {
                                true => (title(stage)),
                                false => a href=(links::reference(&stage.dref.to_string())) { (title(stage)) },
                            }
                        }
                        td { (parts::badge(stage.phase.word(), stage.phase.word()))
                            @if let (Phase::Building, Some(since)) = (stage.phase, stage.since) { " " span.faint { "since " (parts::second(since)) } } }
                        td.number { (stage.took.map(seconds).unwrap_or_default()) }
                        td { @for rref in stage.rrefs.iter().take(4) { (parts::short(rref)) " " } @if stage.rrefs.len() > 4 { "…" } }
                        td { (visible::line(&stage.why)) }
                    }
                }
            }
        }
    }
}
