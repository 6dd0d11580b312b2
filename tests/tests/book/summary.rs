//! Every chapter exists, and every file is a chapter.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Parser, Tag};

use crate::check::Source;

pub(crate) fn faults(sources: &[Source]) -> Vec<String> {
    let Some(summary) = sources.iter().find(|source| source.name == "SUMMARY.md") else {
        return vec!["there is no SUMMARY.md".to_owned()];
    };
    let mut faults = Vec::new();
    let mut chapters = BTreeMap::new();
    for event in Parser::new(&summary.text) {
        if let Event::Start(Tag::Link { dest_url, .. }) = event {
            *chapters.entry(dest_url.into_string()).or_insert(0) += 1;
        }
    }
    for (chapter, times) in &chapters {
        if chapter.is_empty() {
            faults.push("SUMMARY.md has a chapter without a file".to_owned());
        } else if !sources.iter().any(|source| source.name == *chapter) {
            faults.push(format!(
                "`{chapter}` is in SUMMARY.md, but there is no such file"
            ));
        }
        if *times > 1 {
            faults.push(format!("`{chapter}` is in SUMMARY.md twice"));
        }
    }
    let forgotten = sources
        .iter()
        .filter(|source| source.name != summary.name && !chapters.contains_key(&source.name));
    faults.extend(forgotten.map(|source| format!("`{}` is not in SUMMARY.md", source.name)));
    faults
}
