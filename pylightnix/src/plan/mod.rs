//! Plans: derivations, and the matchers that choose among their realizations. This module does no I/O.
//!
//! A plan cannot have cycles: a config owns its dependencies, which exist before it, and its reference is a hash over their
//! references, so no derivation can name itself. Configs from a store are checked against the same hashes. The size and the
//! depth of a plan are not limited: all algorithms take linear time and memory, and do not recurse.

mod args;
mod checks;
mod code;
mod containers;
mod counting;
mod counts;
mod derivation;
mod dref;
mod graph;
mod limits;
pub mod matcher;
mod node;
mod place;
mod reach;
mod reading;
mod refpath;
mod registry;
mod revive;
mod sealing;
mod stage;
mod stage_info;
mod sweep;
mod target;
mod titles;

pub(crate) use args::Args;
pub use args::{ArgType, RunArg, TakesArg};
#[cfg(feature = "fetch")]
pub(crate) use checks::ConfigCheck;
pub use code::{Code, Track, Tracked};
pub(crate) use code::{Section, sections};
pub use counts::Counts;
pub(crate) use dref::instantiate_as;
pub use dref::{DRef, Planned, instantiate};
pub(crate) use graph::{Listed, PART, PlanGraph};
pub use limits::Limits;
pub use node::AnyDRef;
pub(crate) use node::{AnyNode, Run, Selection};
#[doc(hidden)]
pub use place::Place;
#[doc(hidden)]
pub use reach::{CrateVersions, DataFiles, ItemTexts, Reach, ReachBreadth, ReachItem};
#[doc(hidden)]
pub use reading::Reading;
pub use refpath::RefPath;
pub(crate) use registry::named;
pub use registry::{Registration, registered};
pub(crate) use revive::ConfigType;
pub use revive::{Revived, Wanted};
#[doc(hidden)]
pub use sealing::Sealing;
pub use stage::{Stage, StageValue};
pub use sweep::{Axes, grid, labelled, labels, sweep};
pub use target::{Realizations, Target};
pub(crate) use titles::Titled;
