//! From which realizations of its direct dependencies a realization was made.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::config::{ConfigJson, DRefId, Digest, RRefId};

/// For a realization, which realizations of its direct dependencies it was made from.
///
/// It is made from their references, in any order; each counts once.
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
#[derive(Clone)]
pub struct Context(Arc<Parts>);

struct Parts {
    /// Sorted, each derivation once, with at least one realization, sorted, each once.
    deps: Box<[(DRefId, Box<[RRefId]>)]>,
    /// The `dep` lines of a record; equal contexts have equal lines.
    lines: Box<str>,
}

impl Context {
    /// The context of a derivation without dependencies.
    pub fn empty() -> Self {
        Self::from_iter([])
    }

    /// Whether there are no dependencies.
    pub fn is_empty(&self) -> bool {
        self.0.deps.is_empty()
    }

    /// The direct dependencies, sorted, each with the realizations taken of it, sorted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&DRefId, &[RRefId])> {
        self.0.deps.iter().map(|(dref, rrefs)| (dref, &**rrefs))
    }

    /// All realizations in it, by derivation and then by reference.
    pub fn realizations(&self) -> impl Iterator<Item = &RRefId> {
        self.0.deps.iter().flat_map(|(_, rrefs)| rrefs.iter())
    }

    /// The realizations taken of `dref`, sorted; none if it is no direct dependency.
    pub fn get(&self, dref: &DRefId) -> &[RRefId] {
        match self.0.deps.binary_search_by(|(key, _)| key.cmp(dref)) {
            Ok(at) => &self.0.deps[at].1,
            Err(_) => &[],
        }
    }

    /// Its lines in a record, `dep <dref> <rref> [<rref> ..]`, each ended by a newline.
    pub fn lines(&self) -> &str {
        &self.0.lines
    }

    /// What is wrong with it as the context of a derivation with this config, whose direct dependencies it has to name,
    /// each of them and no other: texts that go on after what was made from it.
    pub(super) fn misfits(&self, config: &ConfigJson) -> impl Iterator<Item = String> {
        let foreign = (self.iter())
            .map(|(dref, _)| dref)
            .filter(|dref| config.deps().binary_search(dref).is_err())
            .map(|dref| format!("was made from {dref}, of which its config knows nothing"));
        let lacking = (config.deps().iter())
            .filter(|dref| self.get(dref).is_empty())
            .map(|dref| {
                format!("does not say from what of {dref} it was made, which its config names")
            });
        foreign.chain(lacking)
    }

    /// What tells it apart in the name of a build lock: the first 16 hex digits of the sha256 of its lines.
    pub(super) fn short_hash(&self) -> String {
        let mut hex = Digest::of(self.lines().as_bytes()).to_string();
        hex.truncate(16);
        hex
    }
}

impl FromIterator<RRefId> for Context {
    fn from_iter<I: IntoIterator<Item = RRefId>>(rrefs: I) -> Self {
        let mut rrefs: Vec<RRefId> = rrefs.into_iter().collect();
        rrefs.sort_unstable_by(|a, b| a.dref().cmp(b.dref()).then_with(|| a.cmp(b)));
        rrefs.dedup();
        let mut lines = String::new();
        let deps = rrefs
            .chunk_by(|a, b| a.dref() == b.dref())
            .map(|group| {
                let dref = group[0].dref().clone();
                lines.push_str(&format!("dep {dref}"));
                for rref in group {
                    lines.push_str(&format!(" {rref}"));
                }
                lines.push('\n');
                (dref, group.into())
            })
            .collect();
        Context(Arc::new(Parts {
            deps,
            lines: lines.into(),
        }))
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.lines == other.0.lines
    }
}

impl Eq for Context {}

impl Hash for Context {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.lines.hash(state);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
