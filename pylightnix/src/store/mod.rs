//! The store on disk: derivations, their realizations, and everything that is written about them.
//!
//! The file system is the only source of truth: there is no database and no daemon. An object becomes visible under `store-v1/`
//! by one atomic rename and never changes afterwards, even if a process crashes at any point. This module works with bytes and
//! references; it does not depend on stages.

mod archive;
mod check;
mod confirm;
mod disk;
#[cfg(feature = "unpack")]
pub(crate) mod foreign;
mod gc;
mod handle;
mod index;
mod known;
mod object;
mod plumbing;
mod publish;
pub mod python;
mod query;
pub mod remote;
mod repair;
mod runs;
mod transfer;
mod using;

pub use archive::{ArchiveFile, Pack, Packed, Unpack};
pub use check::{Check, CheckEvent, CheckReport, Fault, FaultKind, Note};
pub use confirm::{
    Confirm, Confirmation, Independence, Maker, Reproduced, ReproducedResult, Reproduction,
};
pub use disk::durable::Durability;
#[cfg(feature = "fetch")]
pub(crate) use disk::layout::FETCHES;
pub(crate) use disk::layout::{RUN_ORDERS, RUN_PROGRAM};
pub use gc::{Collected, Gc, GcEvent, GcReport, Removal};
pub use handle::Store;
pub use known::follow::FollowLog;
pub(crate) use known::remains::note_told;
pub use known::remains::{FailedBuild, FailedOrder, FailureRecord};
pub use known::running::RunningBuild;
pub use known::snapshot::Unread;
pub(crate) use known::snapshot::{OnlyCandidate, Snapshot, SnapshotReader};
pub(crate) use known::vouchers::Vouchers;
pub use object::attached::{Remark, RemarkKind};
pub use object::build_record::{BuildKind, BuildRecord};
pub use object::carried::Carried;
pub use object::choice::RecordedChoice;
pub(crate) use object::code_list::{CodeItem, CodeList, hash_of, section};
pub use object::context::Context;
pub(crate) use object::environment::changes as environment_changes;
pub use object::environment::{Environment, EnvironmentChange};
pub use object::given_params::ParamChange;
pub(crate) use object::given_params::{GivenParams, recorded as recorded_params};
pub use object::python_origin::PythonOrigin;
pub use object::reads::{Read, Reads};
pub use object::realization::Realization;
pub use object::record::{Outcome, Record, RecordHead};
pub use object::signature::Signature;
pub use object::tree::{Entry, EntryKind, Manifest, TreeDigest};
pub(crate) use object::uncommitted::Uncommitted;
pub use plumbing::Plumbing;
pub use publish::draft::{Draft, Published};
pub use query::{
    Cell, Column, ColumnKind, Comparison, DependencyGraph, Diff, DiskSpace, DiskUsage, FileChange,
    Find, Finding, FirstDifference, Found, Identifier, Lens, RecordedSeries, Reference, Referred,
    Row, Series, Statistics, UsageOf,
};
pub use repair::{Repair, RepairAction, RepairReport, Repaired};
pub use runs::{RunFolder, RunJournal, RunRecord, RunStanding};
pub use transfer::{Lacking, Offer};
pub use using::locks::BuildLock;
pub use using::roots::{Root, RootRun, TargetResults};

pub(crate) use disk::duplicate::{Refusal, duplicate};
pub(crate) use disk::parallel::{cores, map as in_parallel};
pub(crate) use disk::regular;
pub(crate) use disk::room::is_full;
pub(crate) use disk::system::is_in_memory;
pub(crate) use disk::there::is_there;
pub(crate) use disk::writers::{Writers, writers};
pub(crate) use object::build_mark::BuildMark;
pub(crate) use object::builds::{BuildHead, RunOf};
pub(crate) use object::clock::{Clock, ahead, newest_first};
pub(crate) use object::paths::{Paths, Resolved};
pub(crate) use object::scan::{Scanned, ScannedKind, Walk, special};
pub(crate) use object::seal::hash;
pub(crate) use object::series::{SERIES, line as series_line};
pub(crate) use object::tree::check_path;
pub(crate) use object::violation::Violation;
pub(crate) use publish::draft::PublishedRun;
pub(crate) use query::{ForeseenContext, ReadComparison, compare};
pub(crate) use using::deadlock::Waiters;

/// Store internals re-exported by [`crate::internal`] for the command line.
pub(crate) mod internal {
    pub use super::disk::durable::is_refused_to_write;
    pub use super::disk::regular::{open_regular, read as read_regular};
    pub use super::disk::target::Target;
    pub use super::object::clock::ahead;
    pub use super::query::ComparisonByParts;
}
