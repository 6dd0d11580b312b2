//! `race`: 16 to 64 processes realize the same plan at once while garbage is collected. All get the same bytes, and each
//! stage is built once.

use fastrand::Rng;
use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::crowd::Member;
use crate::figures::Figures;
use crate::invariants::{Expected, holds, holds_after};
use crate::{Options, actor, unable};

pub(crate) const LAYERS: usize = 10;
/// The number of stages in the plan, two per layer.
pub(crate) const STAGES: usize = 2 * LAYERS;
const REALIZATIONS: usize = 200_000;

/// Runs the campaign; the count is that of realizations, one for each stage in each process.
///
/// # Errors
/// Fails if an actor cannot be started, or hangs.
pub fn race(options: &Options) -> Result<Figures> {
    let mut rng = Rng::with_seed(options.seed);
    let mut figures = Figures::default();
    let mut left = options.count.unwrap_or(REALIZATIONS);
    while left > 0 {
        let processes = rng.usize(16..=64).min(left.div_ceil(STAGES)).max(2);
        left = left.saturating_sub(processes * STAGES);
        figures.rounds += 1;
        let seed = rng.u64(..1 << 32);
        let folder = tests::store::folder();
        let held = round(
            &options.program,
            folder.path(),
            processes,
            seed,
            &mut figures,
        )?;
        if let Err(why) = held {
            figures.violations.push(format!(
                "round {}, {processes} processes, plan {seed}: {why}",
                figures.rounds
            ));
        }
    }
    Ok(figures)
}

/// Runs one round in an empty folder, in which the store is called `store`.
pub(crate) fn round(
    program: &Path,
    folder: &Path,
    processes: usize,
    seed: u64,
    figures: &mut Figures,
) -> Result<std::result::Result<(), String>> {
    let (alone, root) = (folder.join("alone"), folder.join("store"));
    let (alone, text) = (alone.to_string_lossy(), root.to_string_lossy());
    let (layers, seed) = (LAYERS.to_string(), seed.to_string());
    let expected = actor::run(program, &["realize", &alone, &layers, &seed])?;
    let expected: BTreeSet<RRefId> = expected.acknowledged.into_iter().collect();
    Store::open(&root)?;

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let collector = scope.spawn(|| collect(program, &text, &stop));
        let crowd = crowd(program, processes, &["stay", &text, &layers, &seed]);
        stop.store(true, Ordering::Relaxed);
        let collected = (collector.join()).map_err(|_| unable("the collector panicked"))??;
        let (mut crowd, made) = crowd?;
        for _ in 0..collected.0 {
            figures.count("collections while they ran");
        }
        if let Some(why) = collected.1 {
            return Ok(Err(why));
        }
        let held = look(&root, &expected, &made, figures)?;
        for member in &mut crowd {
            let ended = member.let_go()?;
            if !ended.is_good() {
                return Ok(Err(format!("{ended:?}")));
            }
            *figures.counts.entry("realizations".to_owned()).or_default() += STAGES;
        }
        drop(crowd);
        Ok(held.and_then(|()| holds_after(program, &root, &Expected::default(), 0)))
    })
}

/// Starts all actors, waits until each is complete, and returns their results, which they still use.
fn crowd(
    program: &Path,
    processes: usize,
    arguments: &[&str],
) -> Result<(Vec<Member>, Vec<BTreeSet<RRefId>>)> {
    let mut crowd = Vec::new();
    for _ in 0..processes {
        crowd.push(Member::start(program, arguments)?);
    }
    let mut made = Vec::new();
    for member in &mut crowd {
        member.wait_until_made()?;
        made.push(member.acknowledged()?.into_iter().collect());
    }
    Ok((crowd, made))
}

/// Collects repeatedly; returns the number of collections, and an error.
fn collect(program: &Path, root: &str, stop: &AtomicBool) -> Result<(usize, Option<String>)> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let ended = actor::run(program, &["gc", root])?;
        if !ended.is_good() {
            return Ok((count, Some(format!("a collection: {ended:?}"))));
        }
        count += 1;
    }
    Ok((count, None))
}

fn look(
    root: &Path,
    expected: &BTreeSet<RRefId>,
    made: &[BTreeSet<RRefId>],
    figures: &mut Figures,
) -> Result<std::result::Result<(), String>> {
    // A reference contains the hash of all bytes.
    if let Some(other) = made.iter().find(|made| !made.is_subset(expected)) {
        return Ok(Err(format!("other bytes: {other:?}, not {expected:?}")));
    }
    if made.iter().any(|made| made.len() < 2) {
        return Ok(Err("a process did not get what it wanted".to_owned()));
    }
    let there = Expected {
        there: expected.clone(),
        kept: BTreeSet::new(),
    };
    if let Err(why) = holds(root, &there) {
        return Ok(Err(why));
    }
    let store = Store::open(root)?;
    let all: BTreeSet<RRefId> = store.rrefs()?.into_iter().collect();
    if all != *expected || all.len() != STAGES {
        return Ok(Err(format!(
            "{} realizations of {STAGES} stages",
            all.len()
        )));
    }
    for rref in &all {
        let builds = store.realization(rref)?.builds().len();
        if builds != 1 {
            return Ok(Err(format!("{rref} was built {builds} times")));
        }
        figures.count("stages built once");
    }
    Ok(Ok(()))
}
