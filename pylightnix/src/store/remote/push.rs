//! Pushing realizations to a remote.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::content::{root_name, root_text};
use super::gather::{Gathered, beside, gather, gather_beside, readable};
use super::gone::{GoneNote, Rests, SOON, Watch};
use super::index::{RemoteIndex, hole_name, keep_own};
use super::line::{
    Bundle, CodeLine, Extent, LIST_PART, Line, LineBuild, Part, RealizationLine, blob_name,
    pack_name,
};
use super::objects::Remote;
use super::pack::{Pack, Packer};
use super::segment::{self, SegmentName};
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::store::object::code_list::CodeList;
use crate::store::publish::copy::in_order;
use crate::store::publish::exportable::{Exportable, IncompleteBuilds};
use crate::store::using::roots::check_characters;
use crate::{Error, ErrorKind, Result};

/// The number of objects of a kind from which a list of all is cheaper than asking for each.
const MANY: usize = 50;
/// The number of realizations that are read side by side.
const TOGETHER: usize = 32;
/// The number of times that a push looks at everything anew, if a collection deletes meanwhile what it rests on.
const LOOKS: usize = 6;
/// How long a collection waits before it deletes, unless it says otherwise.
pub(super) const USUAL_GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// The number of packs that are put without a look whether they are there.
const FEW_PACKS: usize = 4;

/// Pushing to a remote, with options.
///
/// ```
/// # use pylightnix::config::ConfigJson;
/// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
/// use pylightnix::store::remote::{Pull, Push, Remote};
///
/// # let folder = tempfile::tempdir()?;
/// # let mine = Store::open(folder.path().join("mine"))?;
/// # let theirs = Store::open(folder.path().join("theirs"))?;
/// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
/// # let build = BuildRecord::now(BuildKind::Build);
/// # let rref = mine.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
/// let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
/// let pushed = Push::new(&mine, &remote).root("best").run([&rref])?;
/// assert_eq!(pushed.rrefs, [rref.clone()]);
///
/// Pull::new(&theirs, &remote).run([&rref])?;
/// assert!(theirs.has(&rref)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until `run` is called"]
pub struct Push<'a> {
    store: &'a Store,
    remote: &'a Remote,
    root: Option<String>,
    dry: bool,
    observer: Option<&'a (dyn Fn(Transfer) + 'a)>,
}

/// How far a push or a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Transfer {
    /// The objects, or ranges of objects, that were sent or fetched.
    pub objects: u64,
    /// Their bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// The realizations whose bytes are on their way, or have arrived.
    pub realizations: u64,
    /// The realizations that are to be sent or fetched.
    pub of: u64,
}

/// What a push did, or would do.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// The realizations that the remote did not have, or not with all their build records; dependencies first.
    pub rrefs: Vec<RRefId>,
    /// The number of realizations that it had.
    pub there: usize,
    /// What was sent.
    #[serde(flatten)]
    pub sent: Transfer,
    /// The number of requests.
    pub requests: u64,
    /// Whether nothing was sent, as this was a dry run.
    pub dry: bool,
    /// Why parts of the index were passed over.
    #[serde(skip)]
    pub told: Vec<Error>,
}

impl<'a> Push<'a> {
    /// Prepares to push realizations of `store`.
    pub fn new(store: &'a Store, remote: &'a Remote) -> Self {
        Push {
            store,
            remote,
            root: None,
            dry: false,
            observer: None,
        }
    }

    /// Gives what is pushed a name at the remote: a root, which keeps it, and under which it is asked for. A root of that name is
    /// replaced.
    pub fn root(mut self, name: impl Into<String>) -> Self {
        self.root = Some(name.into());
        self
    }

    /// Sends nothing, and says what would be sent.
    pub fn dry_run(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Calls `observer` whenever more was sent.
    pub fn observe(mut self, observer: &'a (dyn Fn(Transfer) + 'a)) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Pushes realizations with their dependencies, with all build records and the texts of their code.
    ///
    /// Every byte is hashed on the way. If nothing is new, the only request is the list of segments. A push that dies leaves nothing
    /// that counts.
    ///
    /// # Errors
    /// Fails if a realization is not in the store, is damaged, or violates a rule of publication; if the remote cannot be reached or
    /// written, or is of another version; or if a system call fails.
    pub fn run<R: AsRef<RRefId>>(self, roots: impl IntoIterator<Item = R>) -> Result<Pushed> {
        let roots: Vec<RRefId> = (roots.into_iter())
            .map(|root| root.as_ref().clone())
            .collect();
        self.send(&roots)
    }

    /// Pushes all realizations of the store that are complete, and returns the errors for the others, whose dependents are left out as well.
    /// Results of builds of several runs that are not finished are left out.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_every(self) -> Result<(Pushed, Vec<Error>)> {
        let mut exportable = Exportable::with_stubs(self.store, IncompleteBuilds::LeftOut)?;
        if exportable.has_stubs() {
            // What the remote has already need not be here.
            let index = RemoteIndex::read(self.remote, Some(self.store))?;
            exportable.leave_out_stubs(self.store, |rref| index.fullest(rref).is_none());
        }
        let pushed = self.send(&exportable.rrefs())?;
        Ok((pushed, exportable.left_out))
    }

    fn send(self, roots: &[RRefId]) -> Result<Pushed> {
        if let Some(name) = &self.root {
            check_characters(name)?;
        }
        let before = self.remote.requests();
        self.store.use_derivations(roots.iter().map(RRefId::dref))?;
        let order = in_order(self.store, roots)?;
        let mut watch = Watch::new(self.remote);
        let mut missing = BTreeSet::new();
        let mut sent = Transfer::default();
        // What the remote lacked at the first look, with what a collection deleted meanwhile.
        let mut all: HashSet<RRefId> = HashSet::new();
        for look in 1..=LOOKS {
            let since = Instant::now();
            let mut index = RemoteIndex::read(self.remote, Some(self.store))?;
            index.leave_out(&missing);
            let mut sending = Sending {
                push: &self,
                order: &order,
                index,
                sent,
                packs_there: None,
                packs_put: 0,
                mended: BTreeSet::new(),
                missing: &missing,
                since,
                is_again: look > 1,
                is_last: look == LOOKS,
            };
            let (store, index) = (self.store, &sending.index);
            let lacking = parallel::map(&order, parallel::cores(), |_, rref| {
                lack(store, index, rref)
            })?;
            let lacking: Vec<Lack> = lacking.into_iter().flatten().collect();
            all.extend(lacking.iter().map(|lack| lack.rref.clone()));
            sending.sent.of = all.len() as u64;
            let done = sending.send(lacking, &mut watch, roots)?;
            sent = sending.sent;
            let told = std::mem::take(&mut sending.index.told);
            match done {
                Sent::Done => {
                    let rrefs = order.iter().filter(|rref| all.contains(*rref));
                    return Ok(Pushed {
                        there: order.len() - all.len(),
                        rrefs: rrefs.cloned().collect(),
                        sent,
                        requests: self.remote.requests() - before,
                        dry: self.dry,
                        told,
                    });
                }
                Sent::Missing(objects) => missing.extend(objects),
                Sent::Late => {}
            }
        }
        let text = format!(
            "the remote {} loses objects as fast as they are pushed",
            self.remote.url()
        );
        Err(Error::new(ErrorKind::Remote, text).with_help(
            "nothing that was pushed counts yet; see who collects garbage there, and push again",
        ))
    }
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("store", &self.store)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// A realization that the remote lacks, or of which it lacks files beside the record.
struct Lack {
    rref: RRefId,
    /// A line of it that counts, and the names of the files that no line has.
    known: Option<(RealizationLine, Vec<String>)>,
}

/// Returns what the remote lacks of a realization; `None` if nothing.
fn lack(store: &Store, index: &RemoteIndex, rref: &RRefId) -> Result<Option<Lack>> {
    let lines = index.realizations.get(rref).into_iter().flatten();
    let Some(fullest) = index.fullest(rref) else {
        return Ok(Some(Lack {
            rref: rref.clone(),
            known: None,
        }));
    };
    let mut names = beside(&store.records_dir(rref)?)?;
    let parts = lines.flat_map(|line| &line.bundle.parts);
    let there: HashSet<&str> = parts.map(|part| part.name.as_str()).collect();
    if names.iter().all(|name| there.contains(name.as_str())) {
        return Ok(None);
    }
    names = readable(store, rref, names);
    if names.iter().all(|name| there.contains(name.as_str())) {
        return Ok(None);
    }
    // A log or a signature is looked at with its record, so all that this store has goes into one line.
    let parts = fullest.bundle.parts.iter();
    let in_it: HashSet<&str> = parts.map(|part| part.name.as_str()).collect();
    names.retain(|name| !in_it.contains(name.as_str()));
    Ok(Some(Lack {
        rref: rref.clone(),
        known: Some((fullest.clone(), names)),
    }))
}

fn gathered(store: &Store, lack: &Lack) -> Result<Gathered> {
    match &lack.known {
        None => gather(store, &lack.rref),
        Some((_, names)) => gather_beside(store, &lack.rref, names),
    }
}

/// How far a look at the remote brought a push.
enum Sent {
    /// All of it counts.
    Done,
    /// These objects, on which it rests, were collected. They have to be put again.
    Missing(BTreeSet<String>),
    /// It took so long that what was seen at the remote may not be so any more.
    Late,
}

/// A push under way.
struct Sending<'a> {
    push: &'a Push<'a>,
    /// What is to be there, dependencies first.
    order: &'a [RRefId],
    index: RemoteIndex,
    sent: Transfer,
    /// The packs that are at the remote already, once they were listed.
    packs_there: Option<HashMap<String, u64>>,
    packs_put: usize,
    /// The objects with notes that they are broken, which were put again.
    mended: BTreeSet<String>,
    /// The objects that were collected since the first look.
    missing: &'a BTreeSet<String>,
    /// When the remote was looked at.
    since: Instant,
    /// Whether there was a look before.
    is_again: bool,
    /// Whether there is no further look.
    is_last: bool,
}

impl Sending<'_> {
    /// Sends what is lacking, and the root.
    fn send(
        &mut self,
        lacking: Vec<Lack>,
        watch: &mut Watch<'_>,
        roots: &[RRefId],
    ) -> Result<Sent> {
        let is_nothing = lacking.is_empty();
        let lines = match is_nothing {
            true => Vec::new(),
            false => self.send_objects(lacking)?,
        };
        if self.push.dry {
            if !is_nothing {
                self.put_segment(&lines)?;
            }
            self.put_root(roots)?;
            return Ok(Sent::Done);
        }
        if is_nothing && self.push.root.is_none() {
            // A push that died after its segment has not written the list.
            if !self.index.is_listed() {
                self.index.put_list(self.push.remote, &[])?;
            }
            return Ok(Sent::Done);
        }
        let watched = Instant::now();
        let mut missing = watch.missing(&|note| self.rests(note, &lines))?;
        if !missing.is_empty() {
            return Ok(Sent::Missing(missing));
        }
        let long = watch.shortest.unwrap_or(USUAL_GRACE) / 2;
        if self.since.elapsed() > long && !self.is_last {
            return Ok(Sent::Late);
        }
        if !is_nothing {
            self.put_segment(&lines)?;
        }
        self.put_root(roots)?;
        if watched.elapsed() > SOON {
            // It was slow, and may have been stopped since it looked.
            missing = watch.missing(&|note| self.rests(note, &lines))?;
        }
        Ok(match missing.is_empty() {
            true => Sent::Done,
            false => Sent::Missing(missing),
        })
    }

    /// Returns what of a note the push rests on: what its lines point to, and what was there already.
    fn rests(&self, note: &GoneNote, lines: &[Line]) -> Rests {
        let is_named = |object: &String| note.objects.contains_key(object);
        let mut rests = Rests::default();
        let mut take = |objects: BTreeSet<String>| {
            rests.objects.extend(objects.into_iter().filter(is_named));
        };
        let mut sent: HashSet<&RRefId> = HashSet::new();
        for line in lines {
            take(line.objects());
            if let Line::Realization(line) = line {
                sent.insert(&line.rref);
            }
        }
        for line in self.index.code.values() {
            take(line.bundle.objects().collect());
        }
        for rref in self.order {
            if let Some(line) = self.index.fullest(rref).filter(|_| !sent.contains(rref)) {
                take(line.objects());
                rests.rrefs.push(rref.to_string());
            }
        }
        let segments = self.index.segments.iter().map(SegmentName::object);
        rests.objects.extend(segments.filter(is_named));
        let root = self.push.root.as_ref().map(|name| root_name(name));
        rests.objects.extend(root.into_iter().filter(is_named));
        rests
    }

    /// Sends blobs and packs, and returns the lines of the segment.
    fn send_objects(&mut self, mut lacking: Vec<Lack>) -> Result<Vec<Line>> {
        if !self.index.is_made && !self.push.dry {
            self.push.remote.make()?;
        }
        // In a fixed order, so that the same push makes the same packs.
        lacking.sort_unstable_by(|a, b| {
            let key = |lack: &Lack| (lack.rref.dref().clone(), lack.rref.clone());
            key(a).cmp(&key(b))
        });
        let mut packer = Packer::default();
        let (mut lines, mut blobs) = (Vec::new(), BTreeMap::new());
        let mut fingerprints = BTreeSet::new();
        let mut packs = Vec::new();
        let mut lacking = lacking.into_iter();
        loop {
            // Some at a time, so that few are in memory.
            let some: Vec<Lack> = lacking.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                break;
            }
            let store = self.push.store;
            let gathered =
                parallel::map(&some, parallel::cores(), |_, lack| gathered(store, lack))?;
            for (lack, gathered) in some.into_iter().zip(gathered) {
                fingerprints.extend(gathered.fingerprints.iter().cloned());
                let files = gathered.blobs.iter();
                blobs.extend(files.map(|(digest, (path, _))| (*digest, path.clone())));
                let number = packer.add(&gathered.bytes)?;
                lines.push((self.line(lack, gathered), number));
                self.sent.realizations += 1;
                packs.append(&mut packer.take_finished());
            }
            // Blobs come before the packs whose lines name them.
            if packs.len() > FEW_PACKS {
                self.put_blobs(std::mem::take(&mut blobs))?;
                self.put_packs(std::mem::take(&mut packs))?;
            }
        }
        let mut code = self.code(&fingerprints, &mut packer)?;
        self.put_blobs(blobs)?;
        let (last, places) = packer.finish()?;
        packs.extend(last);
        self.put_packs(packs)?;
        for (line, number) in &mut lines {
            line.bundle.at.extend(&places[*number]);
        }
        for (line, number) in &mut code {
            line.bundle.at.extend(&places[*number]);
        }
        let lines = lines.into_iter().map(|(line, _)| Line::Realization(line));
        let code = code.into_iter().map(|(line, _)| Line::Code(line));
        Ok(lines.chain(code).collect())
    }

    /// Returns the line for what was gathered, whose extents are not known yet.
    fn line(&self, lack: Lack, gathered: Gathered) -> RealizationLine {
        let artifacts = gathered.artifacts.iter();
        let blobs = artifacts.map(|(digest, size)| (*digest, *size)).collect();
        match lack.known {
            // What is new goes on where the bundle that is there ends.
            Some((mut known, _)) => {
                known.bundle.parts.extend(gathered.parts);
                known
                    .builds
                    .extend(gathered.builds.iter().map(LineBuild::of));
                known.builds.sort_unstable_by_key(|build| build.id);
                known.builds.dedup();
                known
            }
            None => RealizationLine {
                rref: lack.rref,
                outcome: gathered.outcome,
                size: gathered.size,
                deps: gathered.deps,
                builds: gathered.builds.iter().map(LineBuild::of).collect(),
                bundle: Bundle {
                    parts: gathered.parts,
                    at: Vec::new(),
                },
                blobs,
            },
        }
    }

    /// Adds the texts of code to the packs, each once. Returns their lines, with the numbers of their bundles.
    fn code(
        &self,
        fingerprints: &BTreeSet<String>,
        packer: &mut Packer,
    ) -> Result<Vec<(CodeLine, usize)>> {
        let store = self.push.store;
        let mut sent: HashSet<String> = HashSet::new();
        let mut lines = Vec::new();
        for fingerprint in fingerprints {
            if self.index.code.contains_key(fingerprint) {
                continue;
            }
            // What cannot be the name of a text has none.
            let Some(text) = store.read_code(fingerprint).unwrap_or_default() else {
                continue;
            };
            let list = CodeList::parse(&text);
            let hashes = list
                .iter()
                .flat_map(|list| list.items.iter().map(|item| item.hash.to_string()));
            let items: BTreeSet<String> = hashes.collect();
            let mut bytes = text.into_bytes();
            let mut parts = vec![Part {
                name: LIST_PART.to_owned(),
                size: bytes.len() as u64,
                blob: None,
            }];
            for hash in &items {
                if self.index.items.contains_key(hash) || sent.contains(hash) {
                    continue;
                }
                let Some(item) = store.code_item(hash)? else {
                    continue;
                };
                parts.push(Part {
                    name: hash.clone(),
                    size: item.len() as u64,
                    blob: None,
                });
                bytes.extend_from_slice(item.as_bytes());
                sent.insert(hash.clone());
            }
            let line = CodeLine {
                fingerprint: fingerprint.clone(),
                items: items.into_iter().collect(),
                bundle: Bundle {
                    parts,
                    at: Vec::<Extent>::new(),
                },
            };
            lines.push((line, packer.add(&bytes)?));
        }
        Ok(lines)
    }

    fn told(&mut self, bytes: u64) {
        self.sent.objects += 1;
        self.sent.bytes += bytes;
        if let Some(observer) = self.push.observer {
            observer(self.sent);
        }
    }

    /// Puts the blobs that the remote does not have, the largest first.
    fn put_blobs(&mut self, blobs: BTreeMap<Digest, PathBuf>) -> Result<()> {
        let known = self.index.realizations.values().flatten();
        let known: HashSet<Digest> = known
            .flat_map(|line| {
                let parts = line.bundle.parts.iter().filter_map(|part| part.blob);
                parts.chain(line.blobs.iter().map(|(digest, _)| *digest))
            })
            .collect();
        let mut lacking = Vec::new();
        for (digest, path) in blobs {
            if !known.contains(&digest) {
                let found = std::fs::metadata(&path);
                let size = found
                    .map_err(|error| Error::io("look at", &path, error))?
                    .len();
                lacking.push((size, digest, path));
            }
        }
        lacking.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let remote = self.push.remote;
        let listed = match lacking.len() > MANY {
            true => remote.list("blob")?,
            false => None,
        };
        let listed: Option<HashMap<String, u64>> = listed.map(|all| {
            all.into_iter()
                .map(|object| (object.name, object.size))
                .collect()
        });
        for (size, digest, path) in lacking {
            let object = blob_name(&digest);
            let is_broken = self.index.holes.contains(&object);
            let is_lost = is_broken || self.missing.contains(&object);
            let there = match &listed {
                Some(listed) => listed.get(&object).copied(),
                None => remote.size(&object)?,
            };
            if there == Some(size) && !is_lost {
                continue;
            }
            if !self.push.dry {
                remote.put_file(&object, &path, self.push.store)?;
                self.mended.extend(is_broken.then_some(object));
            }
            self.told(size);
        }
        Ok(())
    }

    fn put_packs(&mut self, packs: Vec<Pack>) -> Result<()> {
        for pack in packs {
            let object = pack_name(&pack.digest);
            let size = pack.bytes.len() as u64;
            let is_broken = self.index.holes.contains(&object);
            let is_lost = is_broken || self.missing.contains(&object);
            let is_again = self.packs_put >= FEW_PACKS || self.is_again;
            if is_again && self.packs_there.is_none() {
                // A push that died, or an earlier look of this one, may have put many of them.
                let listed = self.push.remote.list("pack")?.unwrap_or_default();
                let listed = listed.into_iter().map(|object| (object.name, object.size));
                self.packs_there = Some(listed.collect());
            }
            self.packs_put += 1;
            let there = self
                .packs_there
                .as_ref()
                .and_then(|packs| packs.get(&object));
            if there == Some(&size) && !is_lost {
                continue;
            }
            if !self.push.dry {
                self.push.remote.put(&object, &pack.bytes)?;
                self.mended.extend(is_broken.then_some(object));
            }
            self.told(size);
        }
        Ok(())
    }

    /// Puts the segment, which makes everything else count, and the list of segments.
    fn put_segment(&mut self, lines: &[Line]) -> Result<()> {
        let bytes = segment::to_bytes(lines)?;
        let name = SegmentName::new(&bytes);
        let remote = self.push.remote;
        if !self.push.dry {
            remote.put(&name.object(), &bytes)?;
            keep_own(self.push.store, &name, &bytes);
        }
        self.told(bytes.len() as u64);
        self.index.segments.insert(name.clone());
        if !self.push.dry {
            // Only now: had the push died, the next one has to put them again.
            for object in std::mem::take(&mut self.mended) {
                remote.delete(&hole_name(&object))?;
                self.index.holes.remove(&object);
            }
            self.index.put_list(remote, &[name])?;
        }
        self.sent.objects += 1;
        Ok(())
    }

    /// Puts the root, if there is to be one.
    fn put_root(&mut self, rrefs: &[RRefId]) -> Result<()> {
        let Some(name) = &self.push.root else {
            return Ok(());
        };
        let text = root_text(rrefs);
        if !self.push.dry {
            if !self.index.is_made && self.index.segments.is_empty() {
                self.push.remote.make()?;
            }
            self.push.remote.put(&root_name(name), text.as_bytes())?;
        }
        self.told(text.len() as u64);
        Ok(())
    }
}
