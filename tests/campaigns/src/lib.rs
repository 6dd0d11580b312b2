//! Campaigns: many rounds of one sort of fault, put into real processes over real stores, each followed by the
//! [`invariants`] that hold whatever happens. `cargo run --release -p campaigns -- NAME [--count N] [--seed S]`.

pub mod actor;
pub mod audit;
pub mod crowd;
pub mod figures;
pub mod full;
mod install;
pub mod invariants;
mod kill;
pub mod left_out;
mod model;
mod mounts;
pub mod power;
mod race;
mod rot;
pub mod scene;
pub mod syscalls;
mod wait;

use pylightnix::BoxError;
use pylightnix::prelude::Result;
use std::path::PathBuf;

use figures::Figures;

/// How a campaign is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// So many rounds; without, all that there are, or as many as the campaign is known for.
    pub count: Option<usize>,
    /// What its chances are made from: the same seed makes the same rounds.
    pub seed: u64,
    /// The program `campaigns`, which is run again as the actors.
    pub program: PathBuf,
}

/// A campaign: it says what it did, and what did not hold. An error is that it could not be run.
pub type Campaign = fn(&Options) -> Result<Figures>;

/// The campaigns, by name.
pub const CAMPAIGNS: &[(&str, Campaign)] = &[
    ("kill", kill::kill),
    ("model", model::model),
    ("race", race::race),
    ("rot", rot::rot),
    ("wait", wait::wait),
    ("syscalls", syscalls::run),
    ("full", full::run),
    ("power", power::run),
    ("left-out", left_out::run),
    ("mounts", mounts::run),
];

/// Runs the campaign of this name.
///
/// # Errors
/// A name that none has; a campaign that could not be run, for want of a program or of a right.
pub fn run(name: &str, options: &Options) -> Result<Figures> {
    match CAMPAIGNS.iter().find(|(known, _)| *known == name) {
        Some((_, campaign)) => campaign(options),
        None => {
            let known: Vec<_> = CAMPAIGNS.iter().map(|(known, _)| *known).collect();
            Err(unable(format!(
                "no campaign `{name}`; there are: {}",
                known.join(", ")
            )))
        }
    }
}

/// That a campaign cannot go on, which is never a pass.
pub fn unable(why: impl Into<String>) -> BoxError {
    why.into().into()
}
