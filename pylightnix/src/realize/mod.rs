//! Realizing plans: what is there is reused, what is missing or stale is built.
//!
//! For each derivation, in dependency order and as many at once as the jobs allow: the chosen realizations of its direct
//! dependencies are its context; its realizations with that context and today's code are the candidates; the matcher takes
//! some of them, or has new ones built.
//!
//! A user sets `options` and calls one of the `verbs`. A run goes from there through `run/` down to the store: for each stage
//! `lookup/` reads what the store has, `decide/` takes or builds, `execute/` carries out the runs. `ask/`, `steps/` and `why/` are
//! other verbs, on the same decisions.

mod ask;
mod decide;
mod execute;
mod failure;
mod foresee;
mod lookup;
mod options;
mod report;
mod resources;
mod run;
mod steps;
mod stop;
mod verbs;
mod walk;
pub mod why;

pub use ask::determinism::{Determinism, Rebuild};
pub use ask::find::{FindStage, FindingStage};
pub use options::Realize;
pub use report::action::{Action, DryPlan, Step};
pub use report::event::{Event, Observer};
pub use report::reason::{Reason, Stale};
pub use report::titles::Titles;
pub use report::totals::Report;
pub use resources::needs::{bytes, duration};
pub use steps::by_hand::ByHand;
pub use steps::stepping::{Paused, Stepping};
pub use stop::cancel::Cancel;
