//! Experiments that ask: plans that depend on results.
//!
//! The function that makes the plan of an experiment may take the run, and ask it: for results, for files, for the store. What the
//! run gives are its [`Answers`], from which another process makes the same plan again.
//!
//! ```standalone_crate
//! use pylightnix::prelude::*;
//!
//! /// How many clusters there are.
//! #[derive(Config)]
//! struct Clusters {
//!     #[selfref("k.json")]
//!     k: SelfRef<Json<u64>>,
//! }
//!
//! #[stage]
//! fn clusters(b: &Build<Clusters>) -> Result<ClustersOutputs> {
//!     Ok(ClustersOutputs { k: b.k.save(&3)? })
//! }
//!
//! /// One of them.
//! #[derive(Config)]
//! struct Cluster {
//!     #[selfref("members.txt")]
//!     members: SelfRef<Text>,
//!     number: u64,
//! }
//!
//! #[stage]
//! fn cluster(b: &Build<Cluster>) -> Result<ClusterOutputs> {
//!     Ok(ClusterOutputs { members: b.members.save(&format!("those of {}", b.number))? })
//! }
//!
//! fn experiment(run: &Run<'_>) -> Result<Vec<DRef<Cluster>>> {
//!     let k = run.realize(&instantiate(Clusters::new())?)?.k.load()?;
//!     (0..k).map(|number| Ok(instantiate(Cluster::new(number))?)).collect()
//! }
//!
//! # fn main() -> Result<()> {
//! # let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path().join("store"))?;
//! let all = Realize::new(&store).evaluate(experiment)?;
//! assert_eq!(all.len(), 3);
//! # Ok(()) }
//! ```

mod answers;
mod evaluate;
mod params;
mod run;
mod worker;

pub use answers::{Answer, Answers, ChosenFor};
pub use params::{
    Origin, Param, ParamEnum, ParamList, ParamSources, ParamValues, ParamVariant, Params,
    ResolvedParam, ResolvedParams,
};
pub use run::Run;
pub use worker::{WorkerRun, worker};

/// What the command line needs.
pub(crate) mod internal {
    pub use super::params::{ParamEffect, SweepPoint, sweep_points};
}
