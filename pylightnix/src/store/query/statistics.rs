//! What a store is full of, and where the time went.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::store::{BuildKind, Outcome, Store, Unread};
use crate::{Result, as_text};

/// What is in a store of one name: see [`Store::statistics`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// The name.
    pub name: String,
    /// How many derivations have it.
    pub derivations: usize,
    /// How many realizations these have.
    pub realizations: usize,
    /// How many of them are recorded failures.
    pub failures: usize,
    /// How many builds made them.
    pub builds: usize,
    /// How long these builds took together.
    pub build_seconds: f64,
    /// When one of them was last built.
    #[serde(serialize_with = "as_text::known_time")]
    pub newest: Option<Timestamp>,
}

impl Store {
    /// Counts derivations, realizations and builds, and adds up the time that they took, by name: those of names that fit a
    /// [pattern](crate::store::Find::name), those first that took longest. What cannot be read is left out, and comes second.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// for layers in 1..=3 { store.realize(&instantiate(Train::new(layers))?)?; }
    /// let (all, _) = store.statistics("*")?;
    /// assert_eq!((all[0].name.as_str(), all[0].derivations, all[0].builds), ("train", 3, 3));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A text that is no pattern, or a refusal of the system.
    pub fn statistics(&self, pattern: &str) -> Result<(Vec<Statistics>, Vec<Unread>)> {
        let drefs = self.drefs_named(pattern)?;
        let mut named: BTreeMap<&str, Statistics> = BTreeMap::new();
        let mut left_out = Vec::new();
        for (dref, found) in self.realizations_of_each(&drefs) {
            let of_name = named.entry(dref.name().as_str()).or_default();
            of_name.derivations += 1;
            for realization in found {
                let realization = match realization {
                    Ok(realization) => realization,
                    Err(unread) => {
                        left_out.push(unread);
                        continue;
                    }
                };
                of_name.realizations += 1;
                of_name.failures += usize::from(realization.outcome == Outcome::Failed);
                of_name.newest = of_name.newest.max(realization.last_built());
                let builds = realization.builds.heads();
                for build in builds.filter(|build| build.kind == BuildKind::Build) {
                    of_name.builds += 1;
                    of_name.build_seconds += build.seconds;
                }
            }
        }
        let all = named.into_iter().map(|(name, of_name)| Statistics {
            name: name.to_owned(),
            ..of_name
        });
        let mut all: Vec<Statistics> = all.collect();
        all.sort_by(|one, other| other.build_seconds.total_cmp(&one.build_seconds));
        Ok((all, left_out))
    }
}
