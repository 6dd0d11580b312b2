//! What runs of programs did: a folder for each, with what was run, the answers that its plan was made from, and its events.
//!
//! `.runs/<uuid7>/` holds `run.json`, `answers.json` and `events.jsonl`, an event on each line. The process of the run writes
//! there, and keeps `events.jsonl` locked; nothing is synced, as no result depends on it. `check` of earlier versions passes over
//! names with a dot.

mod folder;
mod journal;
mod ordered;

pub use folder::{RunFolder, RunStanding};
pub use journal::{RunJournal, RunRecord};
pub(in crate::store) use ordered::Ordered;
