//! Campaigns: many rounds that inject one kind of fault into real processes on real stores, each followed by a check of the
//! [`invariants`]. `cargo run --release -p campaigns -- NAME [--count N] [--seed S] [--only OPERATION]`.

pub mod actor;
pub mod audit;
pub mod crowd;
mod cut_off;
pub mod figures;
pub mod full;
mod install;
pub mod invariants;
mod kill;
pub mod left_out;
mod model;
mod mounts;
pub mod power;
mod processes;
mod race;
mod reach;
mod remotes;
mod rot;
pub mod scene;
mod sealed;
mod slurm_kills;
pub mod syscalls;
mod wait;

use pylightnix::BoxError;
use pylightnix::prelude::Result;
use std::path::PathBuf;

use figures::Figures;
pub use slurm_kills::SPREAD;

/// The options of a campaign.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of rounds; by default all, or the campaign's usual number.
    pub count: Option<usize>,
    /// The random seed: the same seed gives the same rounds.
    pub seed: u64,
    /// Of a campaign that goes through operations, the only one to take.
    pub only: Option<String>,
    /// The program `campaigns`, which also runs the actors.
    pub program: PathBuf,
}

impl Options {
    /// Whether the operation with this name is to be taken.
    #[must_use]
    pub fn takes(&self, operation: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == operation)
    }
}

/// A campaign, which returns its figures and violations. An error means that it could not be run.
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
    ("processes", processes::run),
    ("sealed", sealed::run),
    ("slurm-kills", slurm_kills::run),
    ("cut-off", cut_off::run),
    ("left-out", left_out::run),
    ("mounts", mounts::run),
    ("reach", reach::run),
    ("remotes", remotes::remotes),
];

/// Runs the campaign with this name.
///
/// # Errors
/// Fails if the name is unknown, or if the campaign could not be run, because a program or a permission is missing.
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

/// Makes the error that a campaign cannot continue, which never counts as success.
pub fn unable(why: impl Into<String>) -> BoxError {
    why.into().into()
}
