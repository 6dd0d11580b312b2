//! `slurm-kills`: the process of a run on Slurm is killed at random moments, and another one goes on with the run each time. Each stage is
//! built once, the result is right, and neither a process nor a job is left.

use fastrand::Rng;
use pylightnix::prelude::Result;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;
use tests::kills::kill_drivers;
use tests::line::Line;
use tests::slurm::cluster;

use crate::figures::Figures;
use crate::{Options, unable};

/// The variable with which this program is the one that the runs are of.
pub const SPREAD: &str = "CAMPAIGN_SPREAD";

/// The usual number of kills.
const KILLS: usize = 20;

/// Runs the campaign: a round is a kill.
///
/// # Errors
/// Fails if no Slurm can be started here.
pub(crate) fn run(options: &Options) -> Result<Figures> {
    let Some(cluster) = cluster() else {
        return Err(unable("no Slurm can be started here"));
    };
    let mut rng = Rng::with_seed(options.seed);
    let mut figures = Figures::default();
    let wanted = options.count.unwrap_or(KILLS);
    // A run may end before it was killed often enough.
    while figures.rounds < wanted && figures.violations.is_empty() {
        let line = Line::empty(options.program.to_string_lossy().into_owned().leak())
            .with("SLURM_CONF", cluster.conf())
            .with(SPREAD, PathBuf::from("1"));
        let left = (wanted - figures.rounds) as u64;
        let mut moment = || Duration::from_millis(rng.u64(..1_500));
        let of_run = || kill_drivers(&line, &cluster, left, &mut moment);
        match catch_unwind(AssertUnwindSafe(of_run)) {
            Ok(killed) => {
                figures.rounds += killed as usize;
                figures.count("runs that went to their end");
            }
            Err(panic) => figures.violations.push(said_by(panic.as_ref())),
        }
    }
    Ok(figures)
}

/// Returns the message of an assertion that failed.
fn said_by(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default()
}
