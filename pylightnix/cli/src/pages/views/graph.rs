//! Graphs, where every box is a link.

use maud::{Markup, PreEscaped, html};

use super::super::model::{Drawn, Query};
use super::frame::Page;
use super::links;
use crate::draw::{PictureBox, State};

pub(crate) fn graph(page: &Drawn, query: &Query, has_plan: bool) -> Page {
    let title = match (&page.of, page.is_plan) {
        (Some(of), _) => format!("What {of} was made from"),
        (None, true) => "The plan".to_owned(),
        (None, false) => "All results".to_owned(),
    };
    Page {
        title: title.clone(),
        part: "Graph",
        body: html! {
            h1 { (title) }
            p.faint {
                (page.picture.summary()) ". Dependencies are above what uses them, or left of it."
                @match page.is_whole {
                    true => { @if query.first("all").is_some() { " " a href={ "/graph" (query.without("all")) } { "Group similar stages" } } },
                    false => { " " a.live href={ "/graph" (query.with("all", 1)) } { "Draw each stage" } },
                }
                @if has_plan && page.is_plan { " · " a href="/graph?store=1" { "The whole store" } }
                @if has_plan && !page.is_plan { " · " a href="/graph" { "The plan" } }
            }
            (picture(page))
        },
    }
}

/// A picture with its links.
pub(super) fn picture(page: &Drawn) -> Markup {
    // Of what is not in the store there is nothing to show.
    let is_there = |state: &State| {
        matches!(
            state,
            State::Realized | State::Reused | State::Stale | State::Failed
        )
    };
    let link = |one: &PictureBox| {
        let first = page.references.get(*one.nodes.first()?)?;
        let is_failed_plan = one.states.contains_key(&State::Failed) && first.starts_with("dref:");
        if is_failed_plan || !one.states.keys().any(is_there) {
            return None;
        }
        match one.nodes.len() {
            1 => Some(links::reference(first)),
            // Boxes of several names have a pattern for a name.
            _ => {
                let name = name_of(first);
                (name == one.name).then(|| links::stage(name))
            }
        }
    };
    html! { div.graph tabindex="0" role="region" aria-label="Graph" { (PreEscaped(page.picture.svg_with_links(&link))) } }
}

/// Returns the name in a reference: what is behind its hashes.
fn name_of(reference: &str) -> &str {
    let hashes = if reference.starts_with("dref:") { 1 } else { 2 };
    reference.splitn(hashes + 1, '-').last().unwrap_or_default()
}
