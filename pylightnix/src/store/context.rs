//! From which realizations of its direct dependencies a realization was made.

use std::fmt;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, OnceLock};

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
    /// Sorted by derivation, then by reference; each once.
    rrefs: Box<[RRefId]>,
    /// The `dep` lines of a record, when somebody asked for them.
    lines: OnceLock<Box<str>>,
}

impl Context {
    /// The context of a derivation without dependencies.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Context> = LazyLock::new(|| Context::from(Vec::new()));
        EMPTY.clone()
    }

    /// Whether there are no dependencies.
    pub fn is_empty(&self) -> bool {
        self.0.rrefs.is_empty()
    }

    /// The direct dependencies, sorted, each with the realizations taken of it, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&DRefId, &[RRefId])> {
        let groups = self.0.rrefs.chunk_by(|a, b| a.dref() == b.dref());
        groups.map(|group| (group[0].dref(), group))
    }

    /// All realizations in it, by derivation and then by reference.
    pub fn realizations(&self) -> impl Iterator<Item = &RRefId> {
        self.0.rrefs.iter()
    }

    /// The realizations taken of `dref`, sorted; none if it is no direct dependency.
    pub fn get(&self, dref: &DRefId) -> &[RRefId] {
        let from = self.0.rrefs.partition_point(|rref| rref.dref() < dref);
        let rest = &self.0.rrefs[from..];
        &rest[..rest.partition_point(|rref| rref.dref() == dref)]
    }

    /// Its lines in a record, `dep <dref> <rref> [<rref> ..]`, each ended by a newline.
    pub fn lines(&self) -> &str {
        self.0.lines.get_or_init(|| {
            let mut lines = String::new();
            for (dref, rrefs) in self.iter() {
                // Writing to a `String` cannot fail.
                let _ = write!(lines, "dep {dref}");
                for rref in rrefs {
                    let _ = write!(lines, " {rref}");
                }
                lines.push('\n');
            }
            lines.into()
        })
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

impl From<Vec<RRefId>> for Context {
    fn from(mut rrefs: Vec<RRefId>) -> Self {
        let order = |a: &RRefId, b: &RRefId| a.dref().cmp(b.dref()).then_with(|| a.cmp(b));
        if !rrefs.is_sorted_by(|a, b| order(a, b).is_lt()) {
            rrefs.sort_unstable_by(order);
            rrefs.dedup();
        }
        Context(Arc::new(Parts {
            rrefs: rrefs.into(),
            lines: OnceLock::new(),
        }))
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

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.rrefs == other.0.rrefs
    }
}

impl Eq for Context {}

impl Hash for Context {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.rrefs.hash(state);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
