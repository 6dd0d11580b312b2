//! Pulling realizations from a remote.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::blobs;
use super::code;
use super::gather::beside;
use super::index::RemoteIndex;
use super::line::{Bundle, RealizationLine};
use super::objects::Remote;
use super::push::Transfer;
use super::ranges;
use super::stage::{Arrived, stage};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::there::is_there;
use crate::store::disk::unsynced::Unsynced;
use crate::store::publish::install::{add_builds, install};
use crate::store::publish::staging::Staging;
use crate::{Error, ErrorKind, Result};

/// The number of realizations whose files are synced together.
const TOGETHER: usize = 64;

/// Pulling from a remote, with options. See [`Push`](super::Push) for an example.
#[derive(Clone)]
#[must_use = "it does nothing until `run` is called"]
pub struct Pull<'a> {
    store: &'a Store,
    remote: &'a Remote,
    dry: bool,
    /// Whether stubs among the dependencies stay as they are.
    alone: bool,
    observer: Option<&'a (dyn Fn(Transfer) + 'a)>,
}

/// What a pull did, or would do.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Pulled {
    /// The realizations that are here now, or gained build records; dependencies first.
    pub rrefs: Vec<RRefId>,
    /// The number of realizations that were here already, and lack nothing.
    pub there: usize,
    /// What was fetched.
    #[serde(flatten)]
    pub fetched: Transfer,
    /// The number of requests.
    pub requests: u64,
    /// Whether nothing was fetched, as this was a dry run.
    pub dry: bool,
    /// Why others were left out: the remote lacks a part of them, or what it has is not what was asked for. What was made from them is
    /// left out as well.
    #[serde(skip)]
    pub left_out: Vec<Error>,
    /// Why parts of the index were passed over.
    #[serde(skip)]
    pub told: Vec<Error>,
}

impl fmt::Debug for Pull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull")
            .field("store", &self.store)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// A line of which something is wanted.
pub(super) struct Wanted<'i> {
    pub(super) line: &'i RealizationLine,
    /// Whether the realization is here, or an earlier line brings it, so that only files beside its record are wanted.
    pub(super) is_here: bool,
}

/// What a pull has to fetch.
struct Wish<'i> {
    wanted: Vec<Wanted<'i>>,
    there: usize,
}

impl<'a> Pull<'a> {
    /// Prepares to pull into `store`.
    pub fn new(store: &'a Store, remote: &'a Remote) -> Self {
        Pull {
            store,
            remote,
            dry: false,
            alone: false,
            observer: None,
        }
    }

    /// Leaves stubs among the dependencies as they are. Without it a pull makes them whole.
    pub(super) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Fetches nothing but the index, and says what would be fetched.
    pub fn dry_run(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Calls `observer` whenever more has arrived.
    pub fn observe(mut self, observer: &'a (dyn Fn(Transfer) + 'a)) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Pulls realizations with their dependencies, with all build records and the texts of their code.
    ///
    /// Everything is verified before any of it is published: config, record, and the bytes of every file by their hashes; build records
    /// against the index. What is damaged or missing at the remote is left out with what was made from it, and told.
    ///
    /// # Errors
    /// Fails if a realization is neither here nor named in the index of the remote ([`ErrorKind::Missing`]); if the remote cannot be
    /// reached, or is of another version; or if a system call fails.
    pub fn run<R: AsRef<RRefId>>(self, roots: impl IntoIterator<Item = R>) -> Result<Pulled> {
        let before = self.remote.requests();
        let mut index = self.index()?;
        let told = std::mem::take(&mut index.told);
        let roots: Vec<RRefId> = (roots.into_iter())
            .map(|root| root.as_ref().clone())
            .collect();
        self.run_with(&index, told, &roots, before)
    }

    /// Pulls all realizations that the remote has.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_every(self) -> Result<Pulled> {
        let before = self.remote.requests();
        let mut index = self.index()?;
        let told = std::mem::take(&mut index.told);
        let mut roots: Vec<RRefId> = index.realizations.keys().cloned().collect();
        roots.sort_unstable();
        self.run_with(&index, told, &roots, before)
    }

    fn index(&self) -> Result<RemoteIndex> {
        RemoteIndex::read_made(self.remote, Some(self.store))
    }

    /// Pulls by an index that was read before.
    pub(super) fn run_with(
        self,
        index: &RemoteIndex,
        told: Vec<Error>,
        roots: &[RRefId],
        before: u64,
    ) -> Result<Pulled> {
        let mut pulled = Pulled {
            dry: self.dry,
            told,
            ..Pulled::nothing()
        };
        let order = self.in_order(index, roots, &mut pulled.left_out)?;
        if !self.dry {
            // Before looking at what is here, to protect it from garbage collection until its dependents are published.
            let drefs: BTreeSet<&DRefId> = order.iter().map(RRefId::dref).collect();
            self.store.record_in_use(drefs)?;
        }
        let wish = self.wish(index, &order)?;
        pulled.there = wish.there;
        pulled.fetched.of = wish.wanted.len() as u64;
        if self.dry {
            pulled.foresee(&wish);
        } else if !wish.wanted.is_empty() {
            self.fetch(index, &wish.wanted, &mut pulled)?;
        }
        pulled.requests = self.remote.requests() - before;
        Ok(pulled)
    }

    /// Returns these realizations with what they were made from, dependencies first, as far as the remote has a line of them. One of
    /// which a dependency is nowhere is left out.
    fn in_order(
        &self,
        index: &RemoteIndex,
        roots: &[RRefId],
        left_out: &mut Vec<Error>,
    ) -> Result<Vec<RRefId>> {
        let mut order = Vec::new();
        let mut seen: HashSet<RRefId> = HashSet::new();
        let mut nowhere: HashSet<RRefId> = HashSet::new();
        let asked: HashSet<&RRefId> = roots.iter().collect();
        for root in roots {
            let mut path: Vec<(RRefId, Vec<RRefId>, usize)> = Vec::new();
            let mut next = Some(root.clone());
            loop {
                if let Some(rref) = next.take()
                    && seen.insert(rref.clone())
                {
                    if self.alone && !asked.contains(&rref) && self.store.is_known(&rref)? {
                        continue;
                    }
                    let is_here = self.store.is_whole(&rref)?;
                    let line = index
                        .realizations
                        .get(&rref)
                        .and_then(|lines| lines.first());
                    let deps = match line {
                        Some(line) => line.deps.clone(),
                        // What it was made from is here as well.
                        None if is_here => Vec::new(),
                        None => {
                            left_out.push(self.nowhere(&rref, path.last().map(|(user, ..)| user)));
                            nowhere.insert(rref);
                            continue;
                        }
                    };
                    path.push((rref, deps, 0));
                }
                let Some((_, deps, done)) = path.last_mut() else {
                    break;
                };
                next = deps.get(*done).cloned();
                *done += 1;
                if next.is_none()
                    && let Some((rref, deps, _)) = path.pop()
                {
                    match deps.iter().any(|dep| nowhere.contains(dep)) {
                        true => drop(nowhere.insert(rref)),
                        false => order.push(rref),
                    }
                }
            }
        }
        Ok(order)
    }

    fn nowhere(&self, rref: &RRefId, user: Option<&RRefId>) -> Error {
        let url = self.remote.url();
        let text = match user {
            Some(user) => format!(
                "{user} is not pulled: {rref}, from which it was made, is not at the remote {url}"
            ),
            None => format!("{rref} is not at the remote {url}"),
        };
        Error::new(ErrorKind::Missing, text)
            .with_help("see what is there by `remote ls`; who has it pushes it")
    }

    /// Returns the lines of which something is wanted.
    fn wish<'i>(&self, index: &'i RemoteIndex, order: &[RRefId]) -> Result<Wish<'i>> {
        let (mut wanted, mut there) = (Vec::new(), 0);
        for rref in order {
            let folder = self.store.realization_dir(rref);
            let is_here = is_there(&folder.join(RECORD))?;
            let mut names: HashSet<String> = match is_here {
                true => beside(&folder)?.into_iter().collect(),
                false => HashSet::new(),
            };
            let before = wanted.len();
            wanted.extend(wanted_of(index, rref, is_here, &mut names));
            there += usize::from(wanted.len() == before);
        }
        Ok(Wish { wanted, there })
    }

    /// Fetches, verifies and stages everything, and publishes it then.
    fn fetch(&self, index: &RemoteIndex, wanted: &[Wanted<'_>], pulled: &mut Pulled) -> Result<()> {
        let store = self.store;
        let staging = Staging::new(store)?;
        let mut arrived: Vec<Option<Arrived>> = Vec::new();
        arrived.resize_with(wanted.len(), || None);
        let bundles: Vec<&Bundle> = wanted.iter().map(|wanted| &wanted.line.bundle).collect();
        let mut fetched = pulled.fetched;
        let mut unsynced = Unsynced::new(store.durability());
        let mut count = 0;
        let progress = std::cell::RefCell::new(&mut fetched);
        ranges::fetch(
            self.remote,
            &bundles,
            &mut |bytes| self.told(&mut progress.borrow_mut(), bytes),
            &mut |at, bytes| {
                let Wanted { line, is_here } = &wanted[at];
                let folder = staging.folder().join(at.to_string());
                let staged = bytes.and_then(|bytes| {
                    stage(self.remote, line, &bytes, &folder, *is_here, &mut unsynced)
                });
                match staged {
                    Ok(staged) => arrived[at] = Some(staged),
                    Err(error) if error.kind() == ErrorKind::Remote => pulled.left_out.push(error),
                    Err(error) => return Err(error),
                }
                progress.borrow_mut().realizations += 1;
                count += 1;
                if count % TOGETHER == 0 {
                    std::mem::replace(&mut unsynced, Unsynced::new(store.durability())).sync()?;
                }
                Ok(())
            },
        )?;
        unsynced.sync()?;
        let local = || match self.alone {
            // Finding files that results of other stages share costs reading all records.
            true => {
                let drefs: BTreeSet<_> = wanted
                    .iter()
                    .map(|wanted| wanted.line.rref.dref())
                    .collect();
                let each = drefs.into_iter().map(|dref| store.rrefs_of(dref));
                Ok(each.collect::<Result<Vec<_>>>()?.concat())
            }
            false => store.rrefs(),
        };
        let staged = arrived.iter().flatten();
        let failed = blobs::fetch(store, self.remote, local, staged, &mut |bytes| {
            self.told(&mut fetched, bytes)
        })?;
        let mut unsynced = Unsynced::new(store.durability());
        for (at, slot) in arrived.iter_mut().enumerate() {
            let Some(staged) = slot else {
                continue;
            };
            let broken = staged
                .lacking
                .iter()
                .find_map(|file| failed.get(&file.blob));
            if let Some(why) = broken {
                pulled
                    .left_out
                    .push(super::stage::refused(self.remote, &staged.rref, why));
                *slot = None;
                continue;
            }
            staged.finish(self.remote, &mut unsynced)?;
            if at % TOGETHER == 0 {
                std::mem::replace(&mut unsynced, Unsynced::new(store.durability())).sync()?;
            }
        }
        unsynced.sync()?;
        let arrived: Vec<Arrived> = arrived.into_iter().flatten().collect();
        let fingerprints: BTreeSet<String> = arrived
            .iter()
            .flat_map(|arrived| arrived.fingerprints.iter().cloned())
            .collect();
        // The texts first: who finds a build record finds the code that it names.
        let told = code::fetch(store, self.remote, index, &fingerprints, &mut |bytes| {
            self.told(&mut fetched, bytes);
        })?;
        pulled.told.extend(told);
        self.publish(arrived, pulled)?;
        pulled.fetched = fetched;
        Ok(())
    }

    fn told(&self, fetched: &mut Transfer, bytes: u64) {
        fetched.objects += 1;
        fetched.bytes += bytes;
        if let Some(observer) = self.observer {
            observer(*fetched);
        }
    }

    /// Publishes what is whole, dependencies first.
    pub(super) fn publish(&self, arrived: Vec<Arrived>, pulled: &mut Pulled) -> Result<()> {
        let store = self.store;
        let coming: HashSet<RRefId> = (arrived.iter())
            .filter(|arrived| !arrived.is_here)
            .map(|arrived| arrived.rref.clone())
            .collect();
        let mut left: HashMap<RRefId, ()> = HashMap::new();
        let mut done = HashSet::new();
        for one in arrived {
            let (rref, context) = (&one.rref, &one.record.head().context);
            let is_here = |dep: &RRefId| -> Result<bool> {
                Ok((coming.contains(dep) && !left.contains_key(dep)) || store.is_known(dep)?)
            };
            let mut lacking = None;
            for dep in context.realizations() {
                if lacking.is_none() && !is_here(dep)? {
                    lacking = Some(dep);
                }
            }
            if one.is_here && (left.contains_key(rref) || !is_there(&record_path(store, rref))?) {
                continue;
            }
            if let Some(dep) = lacking {
                let text = format!("{rref} was made from {dep}, which is left out");
                pulled.left_out.push(Error::new(ErrorKind::Remote, text));
                left.insert(rref.clone(), ());
                continue;
            }
            if one.is_here {
                // A repair may have quarantined only the config.
                store.add_derivation(&one.config)?;
                add_builds(store, &one.folder, rref, &one.text)?;
            } else {
                // Staging has already synced it.
                let none = Unsynced::new(store.durability());
                install(
                    store,
                    &one.config,
                    context,
                    &one.folder,
                    rref,
                    &one.text,
                    none,
                )?;
            }
            if done.insert(rref.clone()) {
                pulled.rrefs.push(rref.clone());
            }
        }
        Ok(())
    }
}

/// Returns the lines of a realization that bring something which is not among `names`, to which it is added.
pub(super) fn wanted_of<'i>(
    index: &'i RemoteIndex,
    rref: &RRefId,
    is_here: bool,
    names: &mut HashSet<String>,
) -> Vec<Wanted<'i>> {
    let lines = index.realizations.get(rref).map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<&RealizationLine> = lines.iter().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.bundle.parts.len()));
    let mut wanted = Vec::new();
    for line in lines {
        let is_first = !is_here && wanted.is_empty();
        let files = line.bundle.parts.iter().skip(3);
        let brings = files.clone().any(|part| !names.contains(&part.name));
        if is_first || brings {
            names.extend(files.map(|part| part.name.clone()));
            wanted.push(Wanted {
                line,
                is_here: !is_first,
            });
        }
    }
    wanted
}

fn record_path(store: &Store, rref: &RRefId) -> std::path::PathBuf {
    store.realization_dir(rref).join(Path::new(RECORD))
}

impl Pulled {
    pub(super) fn nothing() -> Self {
        Pulled {
            rrefs: Vec::new(),
            there: 0,
            fetched: Transfer::default(),
            requests: 0,
            dry: false,
            left_out: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Fills in what a dry run knows.
    fn foresee(&mut self, wish: &Wish<'_>) {
        let (mut objects, mut bytes) = (HashSet::new(), 0);
        for Wanted { line, is_here } in &wish.wanted {
            for extent in &line.bundle.at {
                let is_new = objects.insert((extent.pack, extent.from));
                bytes += if is_new { extent.packed } else { 0 };
            }
            let blobs = line.blobs.iter().filter(|_| !is_here);
            for (digest, size) in blobs {
                let is_new = objects.insert((*digest, 0));
                bytes += if is_new { *size } else { 0 };
            }
        }
        let mut rrefs: Vec<RRefId> = wish
            .wanted
            .iter()
            .map(|wanted| wanted.line.rref.clone())
            .collect();
        rrefs.dedup();
        self.rrefs = rrefs;
        let packs: HashSet<_> = objects.iter().map(|(object, _)| object).collect();
        self.fetched.objects = packs.len() as u64;
        self.fetched.bytes = bytes;
    }
}
