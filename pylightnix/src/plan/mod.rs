//! Plans: derivations, and the matchers that choose among their realizations. Nothing here does I/O.

mod args;
mod code;
mod containers;
mod dref;
mod graph;
pub mod matcher;
mod node;
mod refpath;
mod registry;
mod revive;
mod stage;
mod target;

pub(crate) use args::Args;
pub use args::{ArgType, RunArg, TakesArg};
pub use code::{Code, Track, Tracked};
pub use dref::{DRef, Planned, instantiate};
pub(crate) use graph::{Graph, GraphStage};
pub use node::AnyDRef;
pub(crate) use node::{Run, Selection};
pub use refpath::RefPath;
pub use registry::{Registration, registered};
pub(crate) use revive::Kind;
pub use revive::{Revived, Wanted};
pub use stage::{Stage, StageValue};
pub use target::{Realizations, Target};
