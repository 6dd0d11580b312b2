//! A run on Slurm whose process dies again and again, for a test and a campaign.

use pylightnix::store::RunStanding;
use std::thread::sleep;
use std::time::Duration;

use crate::away::{
    has_ended, kill_driver, newest, ran, standing, start, tasks, until, wait_for_queue,
};
use crate::line::Line;
use crate::slurm::Cluster;

/// Kills the process of a run up to this many times, each a `moment` after the last one was replaced, and lets the run go to its end.
/// Returns how often the process was killed.
///
/// # Panics
/// A stage was not built once, the result is wrong, or a process or a job is left.
#[must_use]
pub fn kill_drivers(
    line: &Line,
    cluster: &Cluster,
    kills: u64,
    mut moment: impl FnMut() -> Duration,
) -> u64 {
    let leaves = 10 + 20 * kills;
    let arguments = format!("run --detach --on slurm --leaves {leaves} --takes 400 --pack 1s");
    let said = line.say(&arguments);
    assert_eq!(said.code, 0, "{said:?}");
    let run = newest(line);
    let mut attached = Vec::new();
    let mut killed = 0;
    while killed < kills && !has_ended(&run) {
        sleep(moment());
        if standing(&run) == RunStanding::Running {
            kill_driver(&run);
            killed += 1;
        }
        attached.push(start(line, "attach -1"));
        until("nobody goes on", || standing(&run) != RunStanding::Killed);
    }
    until("it does not end", || has_ended(&run));
    for attached in attached {
        attached.wait_with_output().expect("it ends");
    }
    assert_eq!(ran(line), (0..leaves).collect::<Vec<_>>());
    let sum = leaves * (leaves - 1) / 2;
    assert_eq!(line.out("cat sum sum.json").trim(), sum.to_string());
    let made = line.store.rrefs().expect("a store");
    assert_eq!(made.len() as u64, leaves + 1);
    let failed = line.store.failed_builds().expect("a store");
    assert!(failed.is_empty(), "{failed:?}");
    wait_for_queue(cluster);
    let left = tasks(line);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(line.say("check").code, 0);
    killed
}
