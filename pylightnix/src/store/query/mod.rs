//! Queries: dependencies, disk usage, searches, comparisons.
//!
//! Queries read the file system directly, without the index and without locks, but for tables and conditions of realizations whose rows
//! are kept: the index says whether those still count. Concurrent changes may or may not be reflected
//! in the answer.

mod artifact;
mod comparison;
mod condition;
mod diff;
mod find;
mod first_difference;
mod found;
mod glob;
mod graph;
mod hints;
mod labels;
mod lens;
mod link;
mod looked_up;
mod number;
mod read_comparison;
mod refer;
mod reference;
mod series;
mod statistics;
mod usage;

pub use comparison::{Cell, Column, ColumnKind, Comparison, ComparisonByParts, Row, Series};
pub(crate) use diff::compare;
pub use diff::{Diff, FileChange};
pub use find::{Find, Finding};
pub use first_difference::FirstDifference;
pub use found::Found;
pub(crate) use glob::Glob;
pub use graph::DependencyGraph;
pub use lens::Lens;
pub(crate) use read_comparison::{ForeseenContext, ReadComparison};
pub use refer::Referred;
pub use reference::{Identifier, Reference};
pub use series::RecordedSeries;
pub use statistics::Statistics;
pub use usage::{DiskSpace, DiskUsage, UsageOf};
