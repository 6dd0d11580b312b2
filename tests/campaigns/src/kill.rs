//! `kill`: eight processes realize overlapping plans, and one carries results, while garbage is collected. Some of them are killed
//! at random times. Living processes keep what they use, and acknowledged realizations exist as long as nothing collects them.

use fastrand::Rng;
use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::crowd::Member;
use crate::figures::Figures;
use crate::invariants::{Expected, holds, holds_after};
use crate::{Options, actor};

const PROCESSES: usize = 8;
/// The number of rounds in one store, so that each round meets what earlier ones left.
const ROUNDS_A_STORE: usize = 20;
const ORDINARY: usize = 2_000;

/// Runs the campaign.
///
/// # Errors
/// Fails if an actor cannot be started, or hangs.
pub fn kill(options: &Options) -> Result<Figures> {
    let mut rng = Rng::with_seed(options.seed);
    let mut figures = Figures::default();
    let mut left = options.count.unwrap_or(ORDINARY);
    while left > 0 {
        let rounds = left.min(ROUNDS_A_STORE);
        left -= rounds;
        let folder = tests::store::folder();
        let root = folder.path().join("store");
        let text = root.to_string_lossy().into_owned();
        let rooted = actor::run(&options.program, &["realize", &text, "2", "500"])?;
        let rooted: BTreeSet<RRefId> = rooted.acknowledged.into_iter().collect();
        let store = Store::open(&root)?;
        for (at, rref) in rooted.iter().enumerate() {
            store.add_root(&format!("kept-{at}"), rref)?;
        }
        drop(store);
        for _ in 0..rounds {
            figures.rounds += 1;
            let seed = rng.get_seed();
            let held = round(&options.program, &root, &rooted, &mut rng, &mut figures)?;
            if let Err(why) = held {
                figures
                    .violations
                    .push(format!("round {}, {seed:#x}: {why}", figures.rounds));
            }
        }
    }
    Ok(figures)
}

fn round(
    program: &Path,
    root: &Path,
    rooted: &BTreeSet<RRefId>,
    rng: &mut Rng,
    figures: &mut Figures,
) -> Result<std::result::Result<(), String>> {
    let text = root.to_string_lossy();
    let is_collected = rng.u8(..4) > 0;
    let mut crowd = Vec::new();
    for _ in 0..PROCESSES {
        // Plans with the same seed share all their layers; plans two seeds apart share some numbers.
        let layers = rng.u8(1..=5).to_string();
        let seed = (rng.u64(..3) * 2).to_string();
        crowd.push(Member::start(program, &["stay", &text, &layers, &seed])?);
    }
    let mut carrier = Member::start(program, &["carry on", &text, "carried"])?;
    let mut collector = None;
    if is_collected {
        collector = Some(Member::start(program, &["gc", &text])?);
    }
    let until = Duration::from_micros(rng.u64(..60_000));
    let begun = std::time::Instant::now();
    while begun.elapsed() < until {
        if let Some(running) = &mut collector
            && !running.is_running()?
        {
            let ended = running.let_go()?;
            if !ended.is_good() {
                return Ok(Err(format!("a collection: {ended:?}")));
            }
            figures.count("collected under load");
            collector = Some(Member::start(program, &["gc", &text])?);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut there = BTreeSet::new();
    let mut kept = rooted.clone();
    let mut living = Vec::new();
    for mut member in crowd {
        if rng.u8(..4) > 0 {
            let ended = member.kill()?;
            if ended.signal != Some(9) {
                return Ok(Err(format!("it ended before it was killed: {ended:?}")));
            }
            figures.count("killed");
            there.extend(ended.acknowledged);
        } else {
            kept.extend(member.acknowledged()?);
            living.push(member);
        }
    }
    let ended = carrier.kill()?;
    if ended.signal != Some(9) {
        return Ok(Err(format!("it was to carry on: {ended:?}")));
    }
    figures.count("killed while it carried");
    there.extend(ended.acknowledged);
    if let Some(mut collector) = collector {
        let ended = if rng.bool() {
            figures.count("killed while it collected");
            collector.kill()?
        } else {
            collector.let_go()?
        };
        if !ended.is_orderly() || ended.code == Some(1) {
            return Ok(Err(format!("a collection: {ended:?}")));
        }
        there.clear();
    }
    // Also while the other processes continue.
    let expected = Expected { there, kept };
    if let Err(why) = holds(root, &expected) {
        return Ok(Err(format!("with {} living: {why}", living.len())));
    }
    for member in &mut living {
        let ended = member.let_go()?;
        if !ended.is_good() {
            return Ok(Err(format!("who was not killed: {ended:?}")));
        }
        figures.count("went on to their end");
    }
    drop(living);
    let expected = Expected {
        kept: rooted.clone(),
        ..Expected::default()
    };
    let held = holds_after(program, root, &expected, 0);
    let store = Store::open(root)?;
    let left = store.rrefs()?.len();
    if left != rooted.len() && held.is_ok() {
        return Ok(Err(format!(
            "{left} realizations after a collection that should leave {}",
            rooted.len()
        )));
    }
    Ok(held)
}
