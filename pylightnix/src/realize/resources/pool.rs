//! A pool of resources with a waiting queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// A kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::realize) enum ResourceKind {
    Threads,
    /// Memory, in bytes.
    Memory,
    Named(Arc<str>),
}

/// An amount of each kind; missing kinds are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::realize) struct Amounts(BTreeMap<ResourceKind, u64>);

impl Amounts {
    pub(in crate::realize) fn set(&mut self, kind: ResourceKind, amount: u64) {
        self.0.insert(kind, amount);
    }

    pub(in crate::realize) fn of(&self, kind: &ResourceKind) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// Returns the kinds of which these amounts exceed `there`.
    pub(in crate::realize) fn short_of(
        &self,
        there: &Amounts,
    ) -> impl Iterator<Item = &ResourceKind> {
        let more = |(kind, amount): &(&ResourceKind, &u64)| **amount > there.of(kind);
        self.0
            .iter()
            .filter(move |entry| more(entry))
            .map(|(kind, _)| kind)
    }

    fn subtract(&mut self, other: &Amounts) {
        for (kind, amount) in &other.0 {
            if let Some(left) = self.0.get_mut(kind) {
                *left = left.saturating_sub(*amount);
            }
        }
    }

    fn add(&mut self, other: &Amounts) {
        for (kind, amount) in &other.0 {
            if let Some(left) = self.0.get_mut(kind) {
                *left += amount;
            }
        }
    }
}

/// The free resources, and the queue of tasks that wait for some.
///
/// A task gets all that it needs at once or waits, so that no task holds a part while it waits for the rest. For the first
/// waiting task of each resource, freed amounts are set aside, and others get the remainder: so a task with large needs is
/// not overtaken forever, and tasks that need another resource do not wait for it. When [`PATIENCE`] tasks have overtaken
/// the one that waits longest, everything that it needs is set aside.
pub(in crate::realize) struct ResourcePool<T> {
    free: Amounts,
    /// The queue, grouped by needs; tasks with equal needs are in order of arrival.
    waiting: BTreeMap<Amounts, VecDeque<(u64, T)>>,
    came: u64,
    /// The task that waits longest, and the number of tasks that have overtaken it.
    longest: u64,
    passed: u32,
}

/// The number of tasks that may overtake the one that waits longest, until everything that it needs is set aside.
const PATIENCE: u32 = 10;

impl<T> ResourcePool<T> {
    pub(in crate::realize) fn new(total: Amounts) -> Self {
        ResourcePool {
            free: total,
            waiting: BTreeMap::new(),
            came: 0,
            longest: 0,
            passed: 0,
        }
    }

    /// Takes these amounts if they are free and not set aside.
    pub(in crate::realize) fn take(&mut self, needs: &Amounts) -> bool {
        if !self.has_waiting() {
            // With an empty queue, nothing is set aside.
            let fits = needs.short_of(&self.free).next().is_none();
            if fits {
                self.free.subtract(needs);
            }
            return fits;
        }
        let mut reservations = Reservations::of(self);
        for (_, others) in self.line() {
            reservations.admit(others);
        }
        if !reservations.admit(needs) {
            return false;
        }
        self.give(needs);
        true
    }

    /// Appends `who` to the queue.
    pub(in crate::realize) fn wait(&mut self, needs: Amounts, who: T) {
        self.waiting
            .entry(needs)
            .or_default()
            .push_back((self.came, who));
        self.came += 1;
    }

    /// Returns amounts that were taken.
    pub(in crate::realize) fn release(&mut self, needs: &Amounts) {
        self.free.add(needs);
    }

    /// Removes the next task whose needs are free from the queue, and takes the amounts.
    pub(in crate::realize) fn next(&mut self) -> Option<T> {
        if !self.has_waiting() {
            return None;
        }
        let mut reservations = Reservations::of(self);
        let line = self.line();
        let needs = line.iter().map(|(_, needs)| *needs);
        let needs = needs
            .clone()
            .find(|needs| reservations.admit(needs))?
            .clone();
        let line = self.waiting.get_mut(&needs)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&needs);
        }
        self.give(&needs);
        next.map(|(_, who)| who)
    }

    /// Returns whether any task waits.
    pub(in crate::realize) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn give(&mut self, needs: &Amounts) {
        self.free.subtract(needs);
        match self.line().first().map(|(came, _)| *came) {
            Some(longest) if longest == self.longest => self.passed += 1,
            Some(longest) => (self.longest, self.passed) = (longest, 0),
            None => {}
        }
    }

    /// Returns the first task of each group, the longest waiting first. If its needs are not free, those of the rest of its
    /// group are not either.
    fn line(&self) -> Vec<(u64, &Amounts)> {
        let first =
            |(needs, line): (_, &VecDeque<(u64, T)>)| line.front().map(|(came, _)| (*came, needs));
        let mut line: Vec<_> = self.waiting.iter().filter_map(first).collect();
        line.sort_unstable();
        line
    }
}

/// The remaining free resources after those at the front of the queue have theirs set aside.
struct Reservations {
    left: Amounts,
    claimed: BTreeSet<ResourceKind>,
    /// Whether the task that waits longest has been overtaken too often.
    impatient: bool,
}

impl Reservations {
    fn of<T>(pool: &ResourcePool<T>) -> Self {
        let longest = pool.line().first().map(|(came, _)| *came);
        Reservations {
            left: pool.free.clone(),
            claimed: BTreeSet::new(),
            impatient: longest == Some(pool.longest) && pool.passed >= PATIENCE,
        }
    }

    /// Returns whether the next task in the queue can have its needs. If not, sets aside the scarce resources for it, unless
    /// an earlier task waits for them.
    fn admit(&mut self, needs: &Amounts) -> bool {
        let impatient = std::mem::take(&mut self.impatient);
        let short: Vec<ResourceKind> = needs.short_of(&self.left).cloned().collect();
        if short.is_empty() {
            return true;
        }
        if impatient {
            self.left.subtract(needs);
        }
        for kind in short {
            if self.claimed.insert(kind.clone()) {
                self.left.set(kind, 0);
            }
        }
        false
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResourceKind::Threads => f.write_str("threads"),
            ResourceKind::Memory => f.write_str("memory"),
            ResourceKind::Named(name) => write!(f, "`{name}`"),
        }
    }
}
