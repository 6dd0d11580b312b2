//! Statistics about the content of a store.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::store::{BuildKind, Outcome, Store, Unread};
use crate::{Result, as_text};

/// Statistics about all derivations with one name; see [`Store::statistics`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// The name.
    pub name: String,
    /// The number of derivations.
    pub derivations: usize,
    /// The number of realizations.
    pub realizations: usize,
    /// The number of recorded failures among the realizations.
    pub failures: usize,
    /// The number of builds.
    pub builds: usize,
    /// The total duration of the builds, in seconds.
    pub build_seconds: f64,
    /// The end of the newest build.
    #[serde(serialize_with = "as_text::known_time")]
    pub newest: Option<Timestamp>,
}

impl Store {
    /// Computes statistics by name for derivations whose names match a [pattern](crate::store::Find::name), sorted by total
    /// build time in descending order. The second value lists the realizations that could not be read, which are not counted.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// for layers in 1..=3 { store.realize(&instantiate(Train::new(layers))?)?; }
    /// let (all, _) = store.statistics("*")?;
    /// assert_eq!((all[0].name.as_str(), all[0].derivations, all[0].builds), ("train", 3, 3));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the pattern is malformed, or if a system call fails.
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
