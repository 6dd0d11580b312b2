//! What pages show, read through the public interface of the library. Nothing here knows HTML.

mod artifact;
mod compared;
mod csv_table;
mod graph;
mod npy;
mod overview;
mod query;
mod reader;
mod realization;
mod runs;
mod search;
mod stage;
mod tables;
mod words;

pub(super) use artifact::{Artifact, Content, is_picture};
pub(super) use compared::{Compared, FilePair};
pub(super) use csv_table::CsvTable;
pub(super) use graph::Drawn;
pub(super) use npy::{Array, Shown};
pub(super) use overview::{Overview, StageRow, Standing};
pub(super) use query::Query;
pub(crate) use reader::{PlanOf, Reader};
pub(super) use realization::{LogText, RealizationPage};
pub(super) use runs::{Phase, RunFollower, RunPage, RunRow, StageState, locked};
pub(super) use search::SearchPage;
pub(super) use stage::{BLOCK, Plot, StageRows, StageTable};
pub(super) use tables::Progress;
pub(super) use words::WordsOf;
