//! Contexts: which realizations of its direct dependencies a realization was made from.

use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use crate::config::{ConfigJson, DRefId, Digest, RRefId};

/// The realizations of the direct dependencies that a realization was made from.
///
/// Built from references in any order; duplicates are removed.
///
/// ```
/// use pylightnix::config::RRefId;
/// use pylightnix::store::Context;
/// let params: RRefId =
///     "rref:0123456789abcdef0123456789abcdef-7c308bad0e7fa364790b71e6ffab924a-params".parse()?;
/// let context: Context = [params.clone(), params.clone()].into_iter().collect();
/// assert_eq!(context.get(params.dref()), [params]);
/// # Ok::<(), pylightnix::Error>(())
/// ```
///
/// Sorted by derivation, then by reference, without duplicates.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Context(Arc<[RRefId]>);

impl Context {
    /// Returns the context of a derivation without dependencies.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Context> = LazyLock::new(|| Context::from(Vec::new()));
        EMPTY.clone()
    }

    /// Creates a context from references that are sorted by derivation, then by reference, without duplicates.
    pub(crate) fn sorted(rrefs: impl Iterator<Item = RRefId>) -> Self {
        let rrefs: Arc<[RRefId]> = rrefs.collect();
        debug_assert!(rrefs.is_sorted_by(|a, b| order(a, b).is_lt()));
        Context(rrefs)
    }

    /// Whether the context has no dependencies.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the direct dependencies and their realizations, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&DRefId, &[RRefId])> {
        let groups = self.0.chunk_by(|a, b| a.dref() == b.dref());
        groups.map(|group| (group[0].dref(), group))
    }

    /// Iterates over all realizations, sorted by derivation, then by reference.
    pub fn realizations(&self) -> impl Iterator<Item = &RRefId> {
        self.0.iter()
    }

    /// Returns the realizations of `dref`, sorted; empty if `dref` is not a direct dependency.
    pub fn get(&self, dref: &DRefId) -> &[RRefId] {
        let from = self.0.partition_point(|rref| rref.dref() < dref);
        let rest = &self.0[from..];
        &rest[..rest.partition_point(|rref| rref.dref() == dref)]
    }

    /// Formats the context as in a record: lines `dep <dref> <rref> [<rref> ..]`, each ended by a newline.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for (dref, rrefs) in self.iter() {
            // Writing to a `String` cannot fail.
            let _ = write!(lines, "dep {dref}");
            for rref in rrefs {
                let _ = write!(lines, " {rref}");
            }
            lines.push('\n');
        }
        lines
    }

    /// Checks the context against the direct dependencies of `config`. Each message is a predicate that follows the name of the
    /// realization.
    pub(in crate::store) fn misfits(&self, config: &ConfigJson) -> impl Iterator<Item = String> {
        let foreign = (self.iter())
            .map(|(dref, _)| dref)
            .filter(|dref| config.deps().binary_search(dref).is_err())
            .map(|dref| format!("was made from {dref}, which its config does not name"));
        let lacking = (config.deps().iter())
            .filter(|dref| self.get(dref).is_empty())
            .map(|dref| format!("names no realization of {dref}, on which its config depends"));
        foreign.chain(lacking)
    }

    /// Returns the part of a build lock's name that identifies the context: the first 16 hex digits of the SHA-256 of its
    /// lines.
    pub(in crate::store) fn short_hash(&self) -> String {
        let mut hex = Digest::of(self.lines().as_bytes()).to_string();
        hex.truncate(16);
        hex
    }
}

/// Compares references in the order of a context.
fn order(a: &RRefId, b: &RRefId) -> Ordering {
    a.dref().cmp(b.dref()).then_with(|| a.cmp(b))
}

impl From<Vec<RRefId>> for Context {
    fn from(mut rrefs: Vec<RRefId>) -> Self {
        if !rrefs.is_sorted_by(|a, b| order(a, b).is_lt()) {
            rrefs.sort_unstable_by(order);
            rrefs.dedup();
        }
        Context(rrefs.into())
    }
}

impl FromIterator<RRefId> for Context {
    fn from_iter<I: IntoIterator<Item = RRefId>>(rrefs: I) -> Self {
        rrefs.into_iter().collect::<Vec<_>>().into()
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
