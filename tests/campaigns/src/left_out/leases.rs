//! Skips the lock on a lease, and the check of that lock by a collection. A collection then removes what a living process
//! uses.

use pylightnix::prelude::Result;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::figures::Figures;
use crate::scene::Scene;
use crate::syscalls::{holder, operation};
use crate::{Options, actor, unable};

/// Runs the campaign.
///
/// # Errors
/// Fails if a process cannot be started, or fails unexpectedly.
pub(super) fn run(options: &Options, scene: &Scene) -> Result<Figures> {
    let mut figures = Figures::default();
    for left_out in ["nothing", "the look at a lease", "the lock of a lease"] {
        let noticed = without_lease(options, scene, left_out)?;
        figures.rounds += 1;
        if noticed == (left_out == "nothing") {
            let why = format!("leases, {left_out} left out: noticed is {noticed}");
            figures.violations.push(why);
        } else {
            figures.count(format!("leases, {left_out} left out"));
        }
    }
    Ok(figures)
}

/// Collects while another process uses a realization, and returns whether that process lost it.
fn without_lease(options: &Options, scene: &Scene, left_out: &str) -> Result<bool> {
    const LEAVE_OUT: &[&str] = &["-e", "trace=flock", "-e", "inject=flock:retval=0"];
    scene.reset()?;
    let strace = |log: &Path| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(log).args(LEAVE_OUT);
        strace
    };
    let log = scene.path("trace");
    let before = match left_out {
        "the lock of a lease" => Some(strace(&scene.path("trace-of-holder"))),
        _ => None,
    };
    let (mut holder, _) = holder(options, scene, operation("gc beside a lease")?, before)?;
    let mut collect = match left_out {
        "the look at a lease" => {
            let mut collect = strace(&log);
            // The lease of the living process is the only one that names anything.
            for lease in fs::read_dir(scene.path("store/leases"))? {
                collect.arg("-P").arg(lease?.path());
            }
            collect.arg(&options.program);
            collect
        }
        _ => Command::new(&options.program),
    };
    let ended = actor::finish(collect.args(["actor", "gc", &scene.text("store")]))?;
    if !ended.is_good() {
        return Err(unable(format!("a gc with {left_out} left out: {ended:?}")));
    }
    match &mut holder {
        Some(holder) => Ok(!holder.let_go()?),
        None => Err(unable("nobody held anything")),
    }
}
