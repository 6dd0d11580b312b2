//! Plans: derivations, and the matchers that choose among their realizations. Nothing here does I/O.

mod code;
mod containers;
mod dref;
mod graph;
mod limits;
pub mod matcher;
mod node;
mod refpath;
mod registry;
mod revive;
mod stage;
mod sweep;
mod target;

pub use code::{Code, Track, Tracked};
pub(crate) use dref::instantiate_as;
pub use dref::{DRef, Planned, instantiate};
pub(crate) use graph::{Graph, GraphStage};
pub use limits::Limits;
pub use node::AnyDRef;
pub(crate) use node::{Run, Selection};
pub use refpath::RefPath;
pub use registry::{Registration, registered};
pub(crate) use revive::Kind;
pub use revive::{Revived, Wanted};
pub use stage::{Stage, StageValue};
pub use sweep::{Axes, grid, labelled, labels, sweep};
pub use target::{Realizations, Target};
