//! Who may use what of the machine, and who is next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// Something that there is so much of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::realize) enum Kind {
    Threads,
    /// In bytes.
    Memory,
    Named(Arc<str>),
}

/// So much of each kind; of those that are not named, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::realize) struct Amounts(BTreeMap<Kind, u64>);

impl Amounts {
    pub(in crate::realize) fn set(&mut self, kind: Kind, amount: u64) {
        self.0.insert(kind, amount);
    }

    pub(in crate::realize) fn of(&self, kind: &Kind) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// The kinds that these need more of than there is.
    pub(in crate::realize) fn short_of(&self, there: &Amounts) -> impl Iterator<Item = &Kind> {
        let more = |(kind, amount): &(&Kind, &u64)| **amount > there.of(kind);
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

/// What there is, and those that wait for a part of it.
///
/// Each gets all that it needs at once or waits, so that nobody holds a part while waiting for the rest. For the first in
/// the line for something, so much of it is set aside as it becomes free, and others get what is left: so one that needs
/// much is not passed for ever by those that need little, and those that need something else need not wait for it. When
/// [`PATIENCE`] others went before the one that waits longest, all that it needs is set aside.
pub(in crate::realize) struct Ledger<T> {
    free: Amounts,
    /// Those that need the same, in the order in which they came.
    waiting: BTreeMap<Amounts, VecDeque<(u64, T)>>,
    came: u64,
    /// The one that waits longest, and how many went before it since it does.
    longest: u64,
    passed: u32,
}

/// How many may go before one that waits while only what is short is set aside for it.
const PATIENCE: u32 = 10;

impl<T> Ledger<T> {
    pub(in crate::realize) fn new(total: Amounts) -> Self {
        Ledger {
            free: total,
            waiting: BTreeMap::new(),
            came: 0,
            longest: 0,
            passed: 0,
        }
    }

    /// Gives what is needed if it is not set aside for others.
    pub(in crate::realize) fn take(&mut self, needs: &Amounts) -> bool {
        if !self.has_waiting() {
            // Nothing is set aside for anybody.
            let fits = needs.short_of(&self.free).next().is_none();
            if fits {
                self.free.subtract(needs);
            }
            return fits;
        }
        let mut claims = Claims::of(self);
        for (_, others) in self.line() {
            claims.admit(others);
        }
        if !claims.admit(needs) {
            return false;
        }
        self.give(needs);
        true
    }

    /// Puts somebody at the end of the line.
    pub(in crate::realize) fn wait(&mut self, needs: Amounts, who: T) {
        self.waiting
            .entry(needs)
            .or_default()
            .push_back((self.came, who));
        self.came += 1;
    }

    /// Gives back what was taken.
    pub(in crate::realize) fn release(&mut self, needs: &Amounts) {
        self.free.add(needs);
    }

    /// The next one in the line that can have what it needs, which is taken then.
    pub(in crate::realize) fn next(&mut self) -> Option<T> {
        if !self.has_waiting() {
            return None;
        }
        let mut claims = Claims::of(self);
        let line = self.line();
        let needs = line.iter().map(|(_, needs)| *needs);
        let needs = needs.clone().find(|needs| claims.admit(needs))?.clone();
        let line = self.waiting.get_mut(&needs)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&needs);
        }
        self.give(&needs);
        next.map(|(_, who)| who)
    }

    /// Whether anybody waits.
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

    /// The first of each line of equals: what the first cannot have, those behind it cannot have either.
    fn line(&self) -> Vec<(u64, &Amounts)> {
        let first =
            |(needs, line): (_, &VecDeque<(u64, T)>)| line.front().map(|(came, _)| (*came, needs));
        let mut line: Vec<_> = self.waiting.iter().filter_map(first).collect();
        line.sort_unstable();
        line
    }
}

/// What is left when those at the front of the line have theirs set aside.
struct Claims {
    left: Amounts,
    claimed: BTreeSet<Kind>,
    /// The next one waits longest, and too long.
    impatient: bool,
}

impl Claims {
    fn of<T>(ledger: &Ledger<T>) -> Self {
        let longest = ledger.line().first().map(|(came, _)| *came);
        Claims {
            left: ledger.free.clone(),
            claimed: BTreeSet::new(),
            impatient: longest == Some(ledger.longest) && ledger.passed >= PATIENCE,
        }
    }

    /// Whether one who waits can have what it needs. If not, what is short is set aside for it, unless another is before
    /// it in the line for that.
    fn admit(&mut self, needs: &Amounts) -> bool {
        let impatient = std::mem::take(&mut self.impatient);
        let short: Vec<Kind> = needs.short_of(&self.left).cloned().collect();
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Threads => f.write_str("threads"),
            Kind::Memory => f.write_str("memory"),
            Kind::Named(name) => write!(f, "`{name}`"),
        }
    }
}
