//! The fields of a config in each phase: in a plan, in a running stage, in a realization.

mod artifact;
mod build;
mod cardinality;
mod chosen;
mod config;
mod dependency;
mod environment;
mod failure;
pub mod format;
mod link;
mod log;
mod misuse;
mod notes;
mod output;
mod own_units;
mod phase;
mod plain;
mod process;
mod progress;
mod rref;
mod seed;
mod selfref;
mod site;
pub(crate) mod stop;

pub use artifact::Artifact;
pub use build::{Build, Building};
pub use cardinality::{Cardinality, Many, One, Try};
#[doc(hidden)]
pub use cardinality::{Takes, Unsaid};
#[doc(hidden)]
pub use chosen::Chosen;
pub(crate) use chosen::{Choices, ChosenList};
pub use config::{Config, Omitted};
pub use dependency::Dependency;
pub use failure::Failure;
pub(crate) use link::{Chained, Link};
pub use log::BuildLog;
pub(crate) use notes::{NotedPlace, NotedRun};
pub use output::{Output, PartsWriter, Written};
pub(crate) use own_units::{OwnUnits, UnitsOfOne};
pub use phase::{Phase, Promise};
pub use plain::Plain;
pub(crate) use plain::is_exact;
pub(crate) use process::signal_name;
pub(crate) use progress::{ProgressSender, Recorder, StageReport};
pub use pylightnix_macros::Config;
pub(crate) use rref::HasConfig;
pub use rref::{AnyRRef, RRef, Realized};
pub use selfref::SelfRef;
pub(crate) use site::Site;
pub(crate) use stop::{Stop, StopReason};
