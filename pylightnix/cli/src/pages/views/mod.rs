//! What pages look like: functions from what was read to HTML. They are shown without scripts, too.

mod artifact;
mod compared;
mod data;
mod frame;
mod graph;
mod links;
mod markdown;
mod overview;
mod parts;
mod plot;
mod realization;
mod runs;
mod search;
mod stage;
mod text_diff;

pub(super) use artifact::artifact;
pub(super) use compared::compared;
pub(super) use data::{rows_script, words_script};
pub(super) use frame::{Page, fault, framed, framed_as_file};
pub(super) use graph::graph;
pub(super) use overview::overview;
pub(super) use realization::realization;
pub(super) use runs::{run, run_state, runs};
pub(super) use search::search;
pub(super) use stage::{reading, stage};

/// The style sheet of all pages, but for that of graphs.
pub(super) const STYLES: &str = include_str!("style.css");
/// The script of all pages.
pub(super) const SCRIPT: &str = include_str!("page.js");
/// The scripts of pages in files, in the order in which they are loaded, with their names: they make of data what a server does.
pub(super) const SCRIPTS_OF_FILES: [(&str, &str); 4] = [
    ("data.js", include_str!("site/data.js")),
    ("plots.js", include_str!("site/plots.js")),
    ("rows.js", include_str!("site/rows.js")),
    ("find.js", include_str!("site/find.js")),
];
/// The icon of the pages.
pub(super) const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"#0969da\" d=\"M1 1h14v14z\"/>\
                    <path fill=\"#1a7f37\" d=\"M1 1v14h14z\"/></svg>";
