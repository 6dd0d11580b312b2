//! Plans: derivations, and the matchers that choose among their realizations. Nothing here does I/O.
//!
//! A plan has no cycles, and needs no message for one: a config owns the derivations that it depends on, so they are there
//! before it, and its reference is a hash of theirs, so that no derivation can name itself. What comes from a store is
//! held to the same hashes. How large a plan is, and how deep, is not limited: whatever is done with it takes time and
//! memory that grow with the number of its derivations, and no stack.

mod args;
mod checks;
mod code;
mod containers;
mod derivation;
mod dref;
mod facts;
pub(crate) mod graph;
mod limits;
pub mod matcher;
mod node;
mod refpath;
mod registry;
mod revive;
mod stage;
mod sweep;
mod target;
mod titles;

pub(crate) use args::Args;
pub use args::{ArgType, RunArg, TakesArg};
#[cfg(feature = "fetch")]
pub(crate) use checks::ConfigCheck;
pub use code::{Code, Track, Tracked};
pub(crate) use code::{Section, sections};
pub(crate) use dref::instantiate_as;
pub use dref::{DRef, Planned, instantiate};
pub(crate) use graph::{Graph, Listed, PART};
pub use limits::Limits;
pub use node::AnyDRef;
pub(crate) use node::{AnyNode, Run, Selection};
pub use refpath::RefPath;
#[doc(hidden)]
pub use registry::Parts;
pub use registry::{Registration, registered};
pub(crate) use revive::Kind;
pub use revive::{Revived, Wanted};
pub use stage::{Stage, StageValue};
pub use sweep::{Axes, grid, labelled, labels, sweep};
pub use target::{Realizations, Target};
pub(crate) use titles::Titled;
