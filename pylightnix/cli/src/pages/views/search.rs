//! What a search found.

use maud::html;

use super::super::model::SearchPage;
use super::frame::Page;
use super::{links, parts};
use crate::text::count;
use pylightnix::store::Referred;

pub(crate) fn search(page: &SearchPage) -> Page {
    let found = page.names.len()
        + page.found.len()
        + page.configs.len()
        + usize::from(page.referred.is_some());
    Page {
        title: format!("Search: {}", page.text),
        part: "",
        // In files, a script looks through blocks of words.
        body: html! { div data-search=[page.of] {
            h1 { "Search" @if !page.text.is_empty() { ": " (page.text) } }
            @if page.text.is_empty() {
                p { "Search for a name, a reference, a word of a config, a tag or a note; or for what meets a condition, as "
                    code { "rate < 0.1" } ", " code { "scores.accuracy >= 0.9" } " or " code { "tag:best" } "." }
            }
            @if let Some(fault) = &page.fault { pre.fault { (fault) } }
            @else if found == 0 && !page.text.is_empty() { p.empty { "Nothing matches." } }
            @match &page.referred {
                Some(Referred::Realization(rref)) => { h2 { "The reference" } p { (parts::rref(rref)) } },
                Some(Referred::Artifact(rref, path)) => { h2 { "The reference" } p { (parts::rref(rref)) " " a href=(links::artifact(rref, path)) { (path) } } },
                Some(Referred::Derivation(dref)) => { h2 { "The reference" } p { (parts::dref(dref)) " " (dref.name()) } },
                None => {},
            }
            @if !page.names.is_empty() {
                h2 { (count(page.names.len(), "stage", "stages")) }
                ul.plain { @for name in &page.names { li { a href=(links::stage(name)) { (name) } } } }
            }
            @if !page.found.is_empty() {
                h2 { (count(page.found.len(), "result", "results")) }
                ul.plain { @for rref in &page.found { li { (parts::rref(rref)) } } }
            }
            @if !page.configs.is_empty() {
                h2 { (count(page.configs.len(), "config", "configs")) " with the word" }
                ul.plain { @for dref in &page.configs { li { (parts::dref(dref)) " " (dref.name()) } } }
            }
            @if page.is_cut { p.faint { "There may be more: " code { "pylightnix find" } " looks at all." } }
        } },
    }
}
