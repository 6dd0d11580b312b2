//! Which units of a resource each run has: no two that run at once have the same.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::lens::{OwnUnits, UnitsOfOne};
use crate::plan::Limits;
use crate::{Error, ErrorKind, Result};

/// The names of the units of resources, for those whose units have names.
pub(in crate::realize) type UnitNames = BTreeMap<String, Arc<[String]>>;

/// The units that no run has. How many runs there are at once is not decided here: a run takes its units after the scheduler
/// gave it the amounts, and returns them before it returns those.
pub(in crate::realize) struct UnitPool {
    names: UnitNames,
    /// For each resource that any run took, the places of its free units, in order.
    free: Mutex<BTreeMap<String, Vec<Range<u64>>>>,
}

/// The units of a run, which go back to the pool when this is dropped.
pub(in crate::realize) struct HeldUnits {
    pool: Arc<UnitPool>,
    own: Option<Arc<OwnUnits>>,
}

impl UnitPool {
    pub(in crate::realize) fn new(names: &UnitNames) -> Arc<Self> {
        Arc::new(UnitPool {
            names: names.clone(),
            free: Mutex::default(),
        })
    }

    /// Takes the units that a run with these limits needs: the first free ones.
    pub(in crate::realize) fn take(self: &Arc<Self>, limits: &Limits) -> HeldUnits {
        let own = (!limits.resources.is_empty()).then(|| {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let units = limits.resources.iter().map(|(resource, amount)| {
                let all = || iter::once(0..u64::MAX).collect();
                let free = free.entry(resource.clone()).or_insert_with(all);
                let units = UnitsOfOne {
                    places: take_first(free, *amount),
                    names: self.names.get(resource).cloned(),
                };
                (resource.clone(), units)
            });
            Arc::new(OwnUnits(units.collect()))
        });
        HeldUnits {
            pool: self.clone(),
            own,
        }
    }
}

impl HeldUnits {
    pub(in crate::realize) fn own(&self) -> Option<Arc<OwnUnits>> {
        self.own.clone()
    }
}

impl Drop for HeldUnits {
    fn drop(&mut self) {
        let Some(own) = &self.own else { return };
        let mut free = (self.pool.free.lock()).unwrap_or_else(PoisonError::into_inner);
        for (resource, units) in &own.0 {
            if let Some(free) = free.get_mut(resource) {
                free.extend(units.places.iter().cloned());
                join(free);
            }
        }
    }
}

/// Takes the first `amount` places out of `free`.
fn take_first(free: &mut Vec<Range<u64>>, mut amount: u64) -> Vec<Range<u64>> {
    let mut taken = Vec::new();
    for range in &mut *free {
        let end = range.start + amount.min(range.end - range.start);
        if end > range.start {
            amount -= end - range.start;
            taken.push(range.start..end);
            range.start = end;
        }
    }
    free.retain(|range| !range.is_empty());
    taken
}

/// Sorts ranges, and joins those that touch.
fn join(ranges: &mut Vec<Range<u64>>) {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let touch = next.start == range.end;
        if touch {
            range.end = next.end;
        }
        touch
    });
}

/// Fails if the units of a resource are not names of different things.
pub(in crate::realize) fn check_units(names: &UnitNames) -> Result<()> {
    for (resource, units) in names {
        let mut seen = BTreeSet::new();
        for unit in &**units {
            let is_plain = |c: char| c != ',' && !c.is_control();
            let (message, help) = if unit.trim().is_empty() {
                (
                    format!("a unit of the resource `{resource}` has an empty name"),
                    "name what a stage is to use, such as the number of a GPU",
                )
            } else if unit.trim() != unit || !unit.chars().all(is_plain) {
                (
                    format!("the resource `{resource}` has a unit {unit:?}"),
                    "a name of a unit has no comma, no control character, and no space around it",
                )
            } else if !seen.insert(unit) {
                (
                    format!("the resource `{resource}` has the unit `{unit}` twice"),
                    "name each unit once: a stage has its units alone",
                )
            } else {
                continue;
            };
            return Err(Error::new(ErrorKind::Resources, message).with_help(help));
        }
    }
    Ok(())
}
