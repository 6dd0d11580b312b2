//! Usual build durations.

use std::time::Duration;

use crate::Result;
use crate::config::{DRefId, Name};
use crate::store::object::build_record::BuildKind;
use crate::store::{Snapshot, Store};

impl Store {
    /// Returns how long one run of a derivation usually takes: the median of all its builds in the store, whatever their
    /// context and code. Returns `None` if there are none.
    ///
    /// # Errors
    /// Fails if a record is corrupt, or if a system call fails.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let mut build = BuildRecord::now(BuildKind::Build);
    /// # build.start = build.stop - Duration::from_secs(5);
    /// # store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
    /// assert_eq!(store.usual_time(config.id())?, Some(Duration::from_secs(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn usual_time(&self, dref: impl AsRef<DRefId>) -> Result<Option<Duration>> {
        let dref = dref.as_ref();
        let snapshot = Snapshot::of(self, dref)?;
        let mut times = Vec::new();
        for builds in snapshot.builds() {
            let built = builds
                .heads()
                .filter(|build| build.kind == BuildKind::Build);
            times.extend(built.map(|build| build.seconds));
        }
        times.sort_unstable_by(f64::total_cmp);
        let median = times.get(times.len() / 2);
        // Negative durations result from a clock that was set back.
        Ok(median.and_then(|seconds| Duration::try_from_secs_f64(*seconds).ok()))
    }

    /// Returns how long builds of stages with this name took: of at most `most` derivations, one time each. What cannot be read is
    /// left out.
    pub(crate) fn times_of_name(&self, name: &Name, most: usize) -> Vec<Duration> {
        let drefs = self.drefs_called(name.as_str()).unwrap_or_default();
        let times = drefs
            .iter()
            .filter_map(|dref| self.usual_time(dref).ok().flatten());
        times.take(most).collect()
    }
}
