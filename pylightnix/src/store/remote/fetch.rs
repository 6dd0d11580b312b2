//! Fetching the files of stubs.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::objects::Remote;
use super::pull::Pull;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::layout::TAKEN_FROM;
use crate::store::disk::regular;
use crate::store::disk::there::is_there;
use crate::store::object::realization::Realization;
use crate::{Error, ErrorKind, Result};

/// The remotes that runs of this process use, by the root of the store. A stub is first looked for there.
static OF_RUNS: Mutex<Option<HashMap<PathBuf, Vec<Remote>>>> = Mutex::new(None);

/// What came from one remote.
pub(crate) struct CameFrom {
    /// The name of the remote.
    pub(crate) remote: String,
    /// What is whole now.
    pub(crate) rrefs: Vec<RRefId>,
    /// The bytes that came.
    pub(crate) bytes: u64,
}

impl Store {
    /// Fetches the files of realizations of which the store has only the records: see [`Realization::is_stub`]. Asks the remotes of
    /// runs in this process, then those from which the stubs came, and then all that the store [knows](Self::remotes). Does nothing
    /// for realizations whose files are here.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] if no remote has all files of one of them, with what each remote said; what could be fetched is here then.
    /// Also fails if a system call fails.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// store.fetch([&rref])?; // its files are here
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Realization::is_stub`]: crate::store::Realization::is_stub
    pub fn fetch<R: AsRef<RRefId>>(&self, rrefs: impl IntoIterator<Item = R>) -> Result<()> {
        let rrefs: Vec<RRefId> = (rrefs.into_iter())
            .map(|rref| rref.as_ref().clone())
            .collect();
        self.fetch_telling(&rrefs).map(drop)
    }

    /// Fetches as [`fetch`](Self::fetch) does, and returns what came from where.
    pub(crate) fn fetch_telling(&self, rrefs: &[RRefId]) -> Result<Vec<CameFrom>> {
        let mut lacking = self.stubs_among(rrefs)?;
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        self.use_derivations(lacking.iter().map(RRefId::dref))?;
        let (mut fetched, mut said) = (Vec::new(), Vec::new());
        for remote in self.sources(&lacking, &mut said)? {
            let bytes = match Pull::new(self, &remote).alone().run(&lacking) {
                Ok(pulled) => {
                    said.extend(pulled.told.into_iter().chain(pulled.left_out));
                    pulled.fetched.bytes
                }
                Err(error) if matches!(error.kind(), ErrorKind::Remote | ErrorKind::Missing) => {
                    said.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let left = self.stubs_among(&lacking)?;
            let still: HashSet<&RRefId> = left.iter().collect();
            lacking.retain(|rref| !still.contains(rref));
            fetched.push(CameFrom {
                remote: remote.name(),
                rrefs: lacking,
                bytes,
            });
            lacking = left;
            if lacking.is_empty() {
                return Ok(fetched);
            }
        }
        Err(not_fetched(&lacking, said))
    }

    /// Returns those of these realizations whose files are not here, each once. A store without stubs is asked once for all.
    fn stubs_among(&self, rrefs: &[RRefId]) -> Result<Vec<RRefId>> {
        if rrefs.is_empty() || !is_there(&self.layout().stubs())? {
            return Ok(Vec::new());
        }
        let mut seen = HashSet::new();
        let mut stubs = Vec::new();
        for rref in rrefs {
            if seen.insert(rref) && self.is_stub(rref)? {
                stubs.push(rref.clone());
            }
        }
        Ok(stubs)
    }

    /// Returns the remotes that may have files of these stubs, each once.
    fn sources(&self, stubs: &[RRefId], said: &mut Vec<Error>) -> Result<Vec<Remote>> {
        let mut all = {
            let of_runs = OF_RUNS.lock().unwrap_or_else(PoisonError::into_inner);
            let of_store = of_runs.as_ref().and_then(|all| all.get(self.root()));
            of_store.cloned().unwrap_or_default()
        };
        let known = self.remotes()?;
        let names: HashMap<&String, &String> =
            known.iter().map(|(name, url)| (url, name)).collect();
        let mut urls: Vec<String> = Vec::new();
        for rref in stubs {
            urls.extend(taken_from(&self.layout().stub(rref)));
        }
        urls.extend(known.values().cloned());
        for url in urls {
            if all.iter().any(|remote: &Remote| remote.url() == url) {
                continue;
            }
            match Remote::open(&url) {
                Ok(remote) => all.push(match names.get(&url) {
                    Some(name) => remote.named(name),
                    None => remote,
                }),
                Err(error) => said.push(error),
            }
        }
        Ok(all)
    }
}

/// Returns the address in the folder of a realization of the remote that it was taken from. It is for people and a hint, so that its lack is
/// no error.
fn taken_from(folder: &Path) -> Option<String> {
    let text = regular::read(&folder.join(TAKEN_FROM)).ok()?;
    Some(String::from_utf8(text).ok()?.trim_end().to_owned())
}

impl Realization {
    /// Returns the address of the remote that it was taken from, or that has its files. `None` if it was made here, or came in another way.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # use pylightnix::store::remote::{Pull, Push, Remote};
    /// # let folder = tempfile::tempdir()?;
    /// # let ada = Store::open(folder.path().join("ada"))?;
    /// # let ben = Store::open(folder.path().join("ben"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = ada.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
    /// Push::new(&ada, &remote).run([&rref])?;
    /// Pull::new(&ben, &remote).run([&rref])?;
    /// assert_eq!(ben.realization(&rref)?.taken_from(), Some(remote.url()));
    /// assert_eq!(ada.realization(&rref)?.taken_from(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn taken_from(&self) -> Option<String> {
        taken_from(&self.folder())
    }

    /// Fetches its files, if it was found as a stub and they are not here yet: see [`Store::fetch`].
    ///
    /// # Errors
    /// As [`Store::fetch`].
    pub fn fetch(&self) -> Result<()> {
        match self.objects.parent() {
            Some(root) if self.is_stub => Store::open_existing(root)?.fetch([&self.id]),
            _ => Ok(()),
        }
    }
}

/// Notes that a run of this process uses a remote.
pub(crate) fn use_in_runs(store: &Store, remote: &Remote) {
    let mut of_runs = OF_RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    let of_store = of_runs.get_or_insert_default();
    let of_store = of_store.entry(store.root().to_owned()).or_default();
    if of_store.iter().all(|known| known.url() != remote.url()) {
        of_store.push(remote.clone());
    }
}

fn not_fetched(rrefs: &[RRefId], said: Vec<Error>) -> Error {
    let text = match rrefs {
        [one] => format!("the files of {one} are not in this store, and cannot be fetched"),
        [first, ..] => format!(
            "the files of {} realizations are not in this store, and cannot be fetched; the first is {first}",
            rrefs.len()
        ),
        [] => String::new(),
    };
    let help = match said.is_empty() {
        true => "this store knows no remote: `remote add NAME ADDRESS` adds one",
        false => "who has it pushes it again; or force the stage, which makes it here",
    };
    Error::new(ErrorKind::Missing, text)
        .with_parts(said)
        .with_help(help)
}
