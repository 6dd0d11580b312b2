//! Differences between two texts, line by line.

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use crate::visible;

/// The number of unchanged lines around changed ones.
const AROUND: usize = 3;
/// The most lines that are shown.
const LINES: usize = 2000;

pub(super) fn text_diff(old: &str, new: &str) -> Markup {
    let diff = TextDiff::from_lines(old, new);
    let groups = diff.grouped_ops(AROUND);
    let mut lines = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        if at > 0 {
            lines.push((ChangeTag::Equal, "…".into()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            lines.push((
                change.tag(),
                visible::line(change.value().trim_end_matches('\n')),
            ));
        }
    }
    html! {
        pre.diff tabindex="0" {
            @for (tag, text) in lines.iter().take(LINES) {
                @match tag {
                    ChangeTag::Equal => { "  " (text) "\n" },
                    ChangeTag::Delete => del { "- " (text) "\n" },
                    ChangeTag::Insert => ins { "+ " (text) "\n" },
                }
            }
            @if lines.len() > LINES { span.faint { (lines.len() - LINES) " lines more\n" } }
        }
    }
}
