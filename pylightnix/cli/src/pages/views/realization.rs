//! A realization.

use maud::{Markup, html};
use serde_json::Value;

use super::super::model::{Drawn, LogText, RealizationPage, is_picture};
use super::frame::Page;
use super::text_diff::text_diff;
use super::{artifact, graph, links, parts};
use crate::text::{count, local_second, seconds, short_rref, size};
use crate::visible;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::realize::why::Cause;
use pylightnix::store::{BuildKind, BuildRecord, Entry, EntryKind, Outcome, RemarkKind};

/// The most items of a list.
const MOST: usize = 50;
/// The most pictures that are shown at once.
const PICTURES: usize = 12;

pub(crate) fn realization(page: &RealizationPage) -> Page {
    let id = page.id();
    Page {
        title: format!("{} {}", id.name(), short_rref(id)),
        part: "Stages",
        body: html! {
            p.trail { a href=(links::stage(id.name().as_str())) { "All of " (id.name()) } }
            h1 { (id.name()) " " span.ref { (short_rref(id)) }
                @if page.realization.outcome != Outcome::Ok { " " (parts::badge("failed", "a recorded failure")) }
                @if page.realization.is_stub() { " " (parts::badge("missing", "its files are elsewhere")) }
            }
            p.reference { code { (id) } }
            (remarks(page))
            div.columns {
                section { h2 { "Config" } (config(page)) }
                section { h2 { "Made from, and used by" } (lineage(page)) }
            }
            @if !page.series.is_empty() { h2 { "Series" } (parts::series(&page.series)) }
            h2 { "Artifacts " span.faint { (size(page.size())) } }
            (artifacts(page))
            h2 { "Builds" }
            (builds(page))
            @if let Some(log) = &page.log { h2 { "Log" } (log_text(log)) }
            h2 { "Why it was made" }
            (why(page))
            h2 { "To get it" }
            (commands(id))
            @if !page.siblings.is_empty() { (siblings(page)) }
        },
    }
}

fn remarks(page: &RealizationPage) -> Markup {
    html! {
        @if !page.remarks.is_empty() {
            ul.remarks aria-label="Notes and tags" {
                @for remark in &page.remarks {
                    li {
                        @match remark.kind {
                            RemarkKind::Tag => a href={ "/search?q=tag:" (remark.text) } { (parts::badge("tag", visible::line(&remark.text))) },
                            _ => span.note { (visible::lines(&remark.text)) },
                        }
                        " " span.faint { (visible::line(&remark.user)) " on " (visible::line(&remark.host)) ", " (local_second(remark.time)) }
                    }
                }
            }
        }
    }
}

fn config(page: &RealizationPage) -> Markup {
    let config: Value = serde_json::from_str(page.config.text()).unwrap_or_default();
    let omitted = page.builds.first().map(|(build, _)| &build.omitted);
    let fields = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "name");
    let is_empty = config.as_object().is_none_or(|all| all.len() <= 1)
        && omitted.is_none_or(|all| all.is_empty());
    html! {
        @if is_empty { p.faint { "It has no fields." } }
        dl.fields {
            @for (key, value) in fields { div { dt { (visible::line(key)) } dd { (field(page, value)) } } }
            @for (key, value) in omitted.into_iter().flatten() {
                div { dt { (visible::line(key)) } dd { (parts::json(value)) " " span.faint { "default" } } }
            }
        }
    }
}

/// A field: promises and dependencies are not shown as they are written in the config.
fn field(page: &RealizationPage, value: &Value) -> Markup {
    if let Value::Array(items) = value
        && let Some(("__self__", rest)) = items
            .first()
            .and_then(Value::as_str)
            .map(|first| (first, &items[1..]))
    {
        let path: Vec<&str> = rest.iter().filter_map(Value::as_str).collect();
        let path = path.join("/");
        let is_there = page.entries().iter().any(|entry| entry.path == path);
        return html! {
            @match is_there {
                true => a href=(links::artifact(page.id(), &path)) { (visible::line(&path)) },
                false => (visible::line(&path)),
            }
            " " span.faint { "artifact" }
        };
    }
    if let Value::String(text) = value
        && let Ok(dref) = text.parse::<DRefId>()
    {
        let taken = page.realization.context.get(&dref);
        return html! {
            @match taken {
                [] => { (parts::dref(&dref)) " " (dref.name()) },
                [one] => (parts::rref(one)),
                several => { (dref.name()) " " span.faint { (several.len()) " results" } },
            }
        };
    }
    parts::json(value)
}

fn lineage(page: &RealizationPage) -> Markup {
    let list = |rrefs: &[RRefId]| {
        html! {
            ul.plain { @for rref in rrefs.iter().take(MOST) { li { (parts::rref(rref)) } } }
            @if rrefs.len() > MOST { p.faint { "and " (rrefs.len() - MOST) " more" } }
        }
    };
    let made_from: Vec<RRefId> = page.realization.context.realizations().cloned().collect();
    html! {
        (graph::picture(&Drawn::around(page)))
        p.live { a href={ "/graph?of=" (page.id()) } { "All that it was made from" } }
        @if !made_from.is_empty() {
            details open[made_from.len() <= 6] {
                summary { "Made from " (count(made_from.len(), "result", "results")) }
                (list(&made_from))
            }
        }
        @match &page.dependents {
            None => p.live { a href="?dependents=1" { "Look for what was made from it" } ", which reads the whole store" },
            Some(all) if all.is_empty() => p.faint { "Nothing in this store was made from it." },
            Some(all) => details open[all.len() <= 6] {
                summary { "Used by " (count(all.len(), "result", "results")) }
                (list(all))
            },
        }
    }
}

fn artifacts(page: &RealizationPage) -> Markup {
    let entries = page.entries();
    let files = entries
        .iter()
        .filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
    let pictures = files.filter(|entry| is_picture(&entry.path));
    let pictures: Vec<&Entry> = pictures.take(PICTURES).collect();
    html! {
        @if page.realization.is_stub() {
            p { "The files are at a remote: " code { "pylightnix pull " (short_rref(page.id())) } " fetches them." }
        } @else if !pictures.is_empty() {
            div.pictures {
                @for entry in pictures {
                    figure {
                        a href=(links::artifact(page.id(), &entry.path)) {
                            img loading="lazy" src=(links::raw(page.id(), &entry.path)) alt=(visible::line(&entry.path));
                        }
                        figcaption { (visible::line(&entry.path)) }
                    }
                }
            }
        }
        @if entries.is_empty() { p.faint { "It has none." } } @else { (artifact::list(page.id(), entries)) }
    }
}

fn builds(page: &RealizationPage) -> Markup {
    let did = |build: &BuildRecord| match build.kind {
        BuildKind::Build if build.sealed => "built sealed",
        BuildKind::Build => "built",
        BuildKind::Import => "imported",
        BuildKind::Accept => "accepted",
        _ => "recorded",
    };
    let facts = |build: &BuildRecord| {
        let mut facts: Vec<(&str, String)> = Vec::new();
        let mut add = |key, value: Option<String>| facts.extend(value.map(|value| (key, value)));
        add(
            "command",
            (!build.command.is_empty()).then(|| build.command.join(" ")),
        );
        add("code", build.fingerprint.clone());
        add("commit", build.commit.clone());
        add(
            "with changes",
            build
                .dirty
                .map(|dirty| if dirty { "yes" } else { "no" }.to_owned()),
        );
        add("memory", build.peak_memory.map(size));
        add(
            "environment",
            build.environment.as_ref().map(ToString::to_string),
        );
        let params: Vec<_> = build
            .params
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        add("parameters", (!params.is_empty()).then(|| params.join(" ")));
        add(
            "run",
            build
                .index
                .zip(build.of)
                .map(|(index, of)| format!("{index} of {of}")),
        );
        facts
    };
    html! {
        @if page.builds.is_empty() { p.faint { "None: it was unpacked without its build records." } }
        ul.builds {
            @for (build, has_log) in page.builds.iter().take(MOST) {
                li {
                    details {
                        summary {
                            (parts::second(build.stop)) " " (did(build))
                            @if build.kind == BuildKind::Build { " in " (seconds(build.seconds())) }
                            @if build.attempts > 1 { ", " (build.attempts) " tries" }
                            " by " (visible::line(&build.user)) " on " (visible::line(&build.host))
                        }
                        dl.fields {
                            @for (key, value) in facts(build) { div { dt { (key) } dd { (visible::line(&value)) } } }
                            @if *has_log { div { dt { "log" } dd { a href=(links::log(page.id(), build.id)) { "whole log" } } } }
                        }
                    }
                }
            }
        }
        @if page.builds.len() > MOST { p.faint { "and " (page.builds.len() - MOST) " more" } }
    }
}

/// The end of a log.
pub(super) fn log_text(log: &LogText) -> Markup {
    html! {
        pre.log tabindex="0" {
            @if log.left_out > 0 { span.faint { "the first " (size(log.left_out)) " are left out\n" } }
            (log.text)
        }
    }
}

fn why(page: &RealizationPage) -> Markup {
    let why = match &page.why {
        Ok(why) => why,
        Err(error) => return html! { p.faint { (error) } },
    };
    html! {
        ul.plain { @for line in why.head(&short_rref, local_second) { li { (line) } } }
        @for (at, change) in why.changes.iter().enumerate() {
            @if let Some(title) = why.title(at, &short_rref) { h3 { (title) } }
            ul.causes {
                @for cause in &change.causes {
                    li {
                        (cause.to_string())
                        @if let Cause::Code(code) = cause {
                            @for part in &code.parts {
                                details open[code.parts.len() == 1] {
                                    summary { code { (part.what) } }
                                    (text_diff(part.old.as_deref().unwrap_or_default(), part.new.as_deref().unwrap_or_default()))
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(line) = why.environment(at) { p { (line) } }
        }
        @for line in why.tail(&short_rref) { p.faint { (line) } }
    }
}

fn commands(id: &RRefId) -> Markup {
    let short = short_rref(id);
    html! {
        dl.fields {
            div { dt { "Shell" } dd { code { "pylightnix path " (short) } } }
            div { dt { "Rust" } dd { code { "store.lens(&\"" (id) "\".parse::<RRefId>()?)?" } } }
            div { dt { "Python" } dd { code { "subprocess.check_output([\"pylightnix\", \"path\", \"" (short) "\"], text=True).strip()" } } }
        }
    }
}

fn siblings(page: &RealizationPage) -> Markup {
    html! {
        h2 { "Other results of the same config" }
        ul.plain {
            @for other in page.siblings.iter().take(MOST) {
                li { (parts::short(other)) " " a.live href={ "/compare?r=" (other) "&r=" (page.id()) } { "compare" } }
            }
        }
        @if page.siblings.len() > MOST { p.faint { "and " (page.siblings.len() - MOST) " more" } }
    }
}
