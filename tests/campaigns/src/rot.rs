//! `rot`: damage by disks and users: flipped bits, truncated, swapped, missing, writable and additional files. A check finds
//! everything and lists the dependents; a repair restores everything of which a good copy exists, and quarantines the rest.
//!
//! Build records and logs have no digest: damage to a build record is found only if it cannot be parsed, so only such damage
//! is made here.

mod damage;
mod library;

use fastrand::Rng;
use pylightnix::prelude::Result;
use pylightnix::store::{Durability, FaultKind, Store};
use std::collections::BTreeSet;
use std::fs;

use crate::Options;
use crate::figures::Figures;
use damage::{Damage, Harm};
use library::Library;

const ROUNDS: usize = 20_000;
/// The number of rounds in one store.
const ROUNDS_A_STORE: usize = 500;

/// Runs the campaign.
///
/// # Errors
/// Fails if a store cannot be created.
pub fn rot(options: &Options) -> Result<Figures> {
    let mut rng = Rng::with_seed(options.seed);
    let mut figures = Figures::default();
    let mut left = options.count.unwrap_or(ROUNDS);
    while left > 0 {
        let mut library = Library::new()?;
        let rounds = left.min(ROUNDS_A_STORE);
        left -= rounds;
        for _ in 0..rounds {
            figures.rounds += 1;
            if let Err(why) = round(&library, &mut rng, &mut figures)? {
                figures
                    .violations
                    .push(format!("round {}: {why}", figures.rounds));
                // The faults of this store would be found in every later round.
                library = Library::new()?;
            }
        }
    }
    Ok(figures)
}

type Held = std::result::Result<(), String>;

fn round(library: &Library, rng: &mut Rng, figures: &mut Figures) -> Result<Held> {
    let store = Store::open(&library.root)?.with_durability(Durability::None);
    let with_peer = rng.bool();
    let mut damages: Vec<Damage> = Vec::new();
    for _ in 0..rng.usize(1..=3) {
        let damage = Damage::choose(library, rng);
        // Damage to damaged objects may undo it.
        if !damages.iter().any(|other| other.touches(&damage, library)) {
            damage.inflict(library)?;
            figures.count(format!("{} {}", damage.harm.name(), damage.what.name()));
            damages.push(damage);
        }
    }
    let said: Vec<String> = damages.iter().map(ToString::to_string).collect();
    let held = examine(library, &store, &damages, with_peer, figures)?;
    if let Err(why) = held {
        return Ok(Err(format!("{}: {why}", said.join(" and "))));
    }
    // With a good copy available, everything is restored, whatever was quarantined.
    let all = library.rrefs.clone();
    if let Err(error) = store.copy_from(&library.peer, &all) {
        return Ok(Err(format!(
            "{}: to copy it back: {error:?}",
            said.join(" and ")
        )));
    }
    library.bring_back_what_has_no_copy(&damages)?;
    let difference = library.difference()?;
    clean(&store)?;
    Ok(difference.map_or(Ok(()), |path| {
        Err(format!("{}: {path} is not as it was", said.join(" and ")))
    }))
}

fn examine(
    library: &Library,
    store: &Store,
    damages: &[Damage],
    with_peer: bool,
    figures: &mut Figures,
) -> Result<Held> {
    let report = store.check().contents().run()?;
    for damage in damages {
        let found = report
            .faults
            .iter()
            .find(|fault| damage.is_told_by(library, fault));
        let Some(fault) = found else {
            return Ok(Err(format!("{damage} was not found in {report}")));
        };
        figures.count("found");
        if damages.len() == 1
            && let Some(dependents) = damage.dependents(library)
            && dependents != fault.dependents.iter().cloned().collect()
        {
            return Ok(Err(format!(
                "dependents {:?}, not {dependents:?}",
                fault.dependents
            )));
        }
    }
    let hopeless: BTreeSet<_> = if with_peer {
        BTreeSet::new()
    } else {
        library.without_copy(damages)?
    };
    let repair = store.repair();
    let repair = if with_peer {
        repair.with(&library.peer)
    } else {
        repair
    };
    let repaired = match repair.run() {
        Ok(repaired) => repaired,
        Err(error) => return Ok(Err(format!("repair: {error:?}"))),
    };
    if let Some(error) = repaired.refused.first() {
        return Ok(Err(format!("repair: {error:?}")));
    }
    let again = store.check().contents().run()?;
    for damage in damages {
        let is_hopeless = damage.rrefs.iter().any(|rref| hopeless.contains(rref))
            || damage.has_no_copy()
            || !with_peer && damage.needs_peer();
        if is_hopeless {
            figures.count("without a good copy: reported");
            // The report lists what is left, unless it was only quarantined and has no dependents.
            let left = repaired
                .left
                .iter()
                .find(|fault| damage.is_told_by(library, fault));
            let aside = repaired.repaired.iter().any(|done| {
                done.faults
                    .iter()
                    .any(|fault| damage.is_told_by(library, fault))
            });
            if left.is_none() && !aside {
                return Ok(Err(format!(
                    "{damage} has no good copy, and nothing was said"
                )));
            }
            continue;
        }
        figures.count("with a good copy: repaired");
        let still = again.faults.iter().find(|fault| {
            fault.kind != FaultKind::Unexpected
                && fault.rref.as_ref().is_some_and(|rref| damage.rrefs.contains(rref))
                // Its dependency may be one without a copy.
                && fault.kind != FaultKind::Context
        });
        if let Some(fault) = still {
            return Ok(Err(format!("{damage} was not repaired: {fault}")));
        }
        if damage.harm != Harm::Add
            && let Some(rref) = damage.rrefs.iter().find(|rref| !library.is_as_it_was(rref))
        {
            return Ok(Err(format!("{damage}: {rref} is not as it was")));
        }
    }
    if with_peer && damages.iter().all(|damage| !damage.has_no_copy()) && !again.is_sound() {
        return Ok(Err(format!(
            "not sound after a repair with a peer: {again}"
        )));
    }
    Ok(Ok(()))
}

/// Empties the quarantine, which would become very large.
fn clean(store: &Store) -> Result<()> {
    for entry in fs::read_dir(store.root().join("quarantine"))? {
        damage::remove(&entry?.path())?;
    }
    Ok(())
}
