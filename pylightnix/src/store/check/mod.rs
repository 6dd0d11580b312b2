//! Checking the integrity of a store.

mod examine;
mod fault;
mod places;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Result;
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::store::disk::there::is_there;
use crate::store::known::survey::Survey;
use examine::{Examined, ToRead, examine, examine_config};

pub use fault::{CheckReport, Fault, FaultKind, Note};

/// Number of realizations that are examined before their files are read.
const BATCH: usize = 256;

/// A check with its options, created by [`Store::check`].
#[must_use = "nothing happens before `run`"]
pub struct Check<'a> {
    store: &'a Store,
    only: Option<BTreeSet<RRefId>>,
    /// The percentage of files to read.
    percent: f64,
    observer: Box<dyn Fn(&CheckEvent) + Send + Sync + 'a>,
}

/// The progress of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckEvent {
    /// Realizations were examined.
    #[non_exhaustive]
    Looked {
        /// The number so far.
        realizations: usize,
        /// The total number.
        of: usize,
    },
    /// Artifacts were read.
    #[non_exhaustive]
    Read {
        /// The number of bytes so far.
        bytes: u64,
    },
}

impl Store {
    /// Checks the integrity of the store: names, configs and records against their hashes, dependencies, types, sizes and modes
    /// of artifacts against their records, and unexpected files. [`Check::contents`] also reads every artifact. Writes nothing,
    /// takes no locks, and needs only read permission.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, FaultKind, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let mut draft = store.plumbing().draft()?;
    /// # std::fs::write(draft.out().join("x"), "abc")?;
    /// # let rref = draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// assert!(store.check().contents().run()?.is_sound());
    /// let artifact = store.out_dir(&rref).join("x");
    /// # std::fs::remove_file(&artifact).or_else(|_| {
    /// #     use std::os::unix::fs::PermissionsExt;
    /// #     std::fs::set_permissions(store.out_dir(&rref), PermissionsExt::from_mode(0o755))?;
    /// #     std::fs::remove_file(&artifact)
    /// # })?;
    /// let report = store.check().only([&rref]).run()?;
    /// assert!(report.faults.iter().any(|fault| fault.path == artifact));
    /// println!("{report}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self) -> Check<'_> {
        Check {
            store: self,
            only: None,
            percent: 0.0,
            observer: Box::new(|_| ()),
        }
    }
}

impl<'a> Check<'a> {
    /// Checks only these realizations and their derivations.
    pub fn only<R: AsRef<RRefId>>(mut self, rrefs: impl IntoIterator<Item = R>) -> Self {
        self.only = Some(
            rrefs
                .into_iter()
                .map(|rref| rref.as_ref().clone())
                .collect(),
        );
        self
    }

    /// Also reads every artifact and verifies its hash.
    pub fn contents(self) -> Self {
        self.sample(100.0)
    }

    /// Also reads a random sample of artifacts, of this percentage.
    pub fn sample(mut self, percent: f64) -> Self {
        self.percent = percent;
        self
    }

    /// Reports progress to `observer`, from several threads.
    pub fn observer(mut self, observer: impl Fn(&CheckEvent) + Send + Sync + 'a) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Runs the check. Faults are part of the report.
    ///
    /// # Errors
    /// Fails if the folders of the store cannot be listed.
    pub fn run(self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let rrefs: Vec<RRefId> = match &self.only {
            Some(only) => {
                report.faults = places::missing(self.store, only);
                only.iter().cloned().collect()
            }
            None => {
                report.faults = places::unexpected(self.store)?;
                let mut all = Vec::new();
                for dref in self.store.drefs()? {
                    // An unlistable folder is already among the faults.
                    all.extend(self.store.rrefs_of(&dref).unwrap_or_default());
                }
                all
            }
        };
        let configs = self.check_configs(&rrefs, &mut report)?;
        let read = (AtomicU64::new(0), AtomicU64::new(0));
        for batch in rrefs.chunks(BATCH) {
            let examined = parallel::map(batch, parallel::cores(), |_, id| {
                Ok(examine(self.store, id, configs.get(id.dref())))
            })?;
            report.realizations += batch.len();
            let (mut faults, files) = self.gather(examined, &mut report.notes);
            (self.observer)(&CheckEvent::Looked {
                realizations: report.realizations,
                of: rrefs.len(),
            });
            faults.extend(self.read(&files, &read)?);
            report.faults.extend(faults);
        }
        report.files = read.0.into_inner();
        report.bytes = read.1.into_inner();
        report.faults.sort_by(|a, b| a.path.cmp(&b.path));
        report.notes.sort_by(|a, b| a.path.cmp(&b.path));
        // Dependents are determined only if there are faults, as that takes time.
        if !report.is_sound()
            && let Ok(survey) = Survey::of(self.store)
        {
            add_dependents(&mut report.faults, &survey);
        }
        Ok(report)
    }

    fn check_configs(
        &self,
        rrefs: &[RRefId],
        report: &mut CheckReport,
    ) -> Result<HashMap<DRefId, ConfigJson>> {
        let mut drefs: BTreeSet<DRefId> = rrefs.iter().map(|rref| rref.dref().clone()).collect();
        if self.only.is_none() {
            drefs.extend(self.store.drefs()?);
        }
        let drefs: Vec<DRefId> = drefs.into_iter().collect();
        let examined = parallel::map(&drefs, parallel::cores(), |_, dref| {
            Ok(examine_config(self.store, dref))
        })?;
        let mut configs: HashMap<DRefId, ConfigJson> = HashMap::new();
        for (dref, (config, fault)) in drefs.into_iter().zip(examined) {
            configs.extend(config.map(|config| (dref, config)));
            report.faults.extend(fault);
        }
        Ok(configs)
    }

    /// Collects the faults and the files to read. The largest files come first, so that no thread ends up with one alone.
    fn gather(&self, examined: Vec<Examined>, notes: &mut Vec<Note>) -> (Vec<Fault>, Vec<ToRead>) {
        let random = RandomState::new();
        let chosen = |file: &ToRead| {
            // A `f64` represents 53-bit integers exactly.
            let number = random.hash_one(&file.path) >> 11;
            number as f64 / ((1_u64 << 53) as f64) * 100.0 < self.percent
        };
        let mut faults = Vec::new();
        let mut files = Vec::new();
        for examined in examined {
            faults.extend(examined.faults);
            notes.extend(examined.notes);
            files.extend(examined.files.into_iter().filter(chosen));
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.size));
        (faults, files)
    }

    fn read(&self, files: &[ToRead], read: &(AtomicU64, AtomicU64)) -> Result<Vec<Fault>> {
        // A realization that was removed in the meantime has no faults.
        let is_there =
            |file: &ToRead| !matches!(is_there(&self.store.realization_dir(&file.id)), Ok(false));
        let faults = parallel::map(&by_file(files), parallel::cores(), |_, names| {
            let mut faults = Vec::new();
            for (at, file) in names.iter().enumerate() {
                let wrong = file.read();
                read.0.fetch_add(1, Ordering::Relaxed);
                let bytes = read.1.fetch_add(file.size, Ordering::Relaxed) + file.size;
                (self.observer)(&CheckEvent::Read { bytes });
                match wrong {
                    Some(_) if !is_there(file) => {}
                    Some(wrong) => {
                        // All names of the file are bad.
                        let left = names[at..].iter().filter(|file| is_there(file));
                        faults.extend(left.map(|file| file.fault(&wrong)));
                        break;
                    }
                    None => break,
                }
            }
            Ok(faults)
        })?;
        Ok(faults.into_iter().flatten().collect())
    }
}

/// Groups the names of one file that should have the same content: it has to be read only once.
fn by_file(files: &[ToRead]) -> Vec<Vec<&ToRead>> {
    let mut groups: Vec<Vec<&ToRead>> = Vec::with_capacity(files.len());
    let mut known = HashMap::new();
    for file in files {
        let Some(linked) = file.linked else {
            groups.push(vec![file]);
            continue;
        };
        let group = *known.entry((linked, file.digest)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(names) => names.push(file),
            None => groups.push(vec![file]),
        }
    }
    groups
}

/// Fills in the dependents of each fault.
fn add_dependents(faults: &mut [Fault], survey: &Survey) {
    let dependents = survey.dependents();
    for fault in faults {
        let mut next: Vec<usize> = match (&fault.rref, &fault.dref) {
            (Some(rref), _) => survey.find(rref).map_or_else(
                || survey.made_from_missing(rref),
                |at| dependents[at].clone(),
            ),
            (None, Some(dref)) => survey.of_derivation(dref).collect(),
            (None, None) => continue,
        };
        let mut seen: HashSet<usize> = next.iter().copied().collect();
        while let Some(at) = next.pop() {
            next.extend(dependents[at].iter().copied().filter(|at| seen.insert(*at)));
        }
        let found = seen.into_iter().map(|at| survey.found[at].id.clone());
        fault.dependents = found.collect();
        fault.dependents.sort_unstable();
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("store", self.store)
            .field("only", &self.only)
            .field("percent", &self.percent)
            .finish_non_exhaustive()
    }
}
