//! Drafts: the temporary folders of builds in progress, and their publication.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::config::{ConfigJson, DRefId, Digest, Name, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{Durability, is_there_already, rename_new};
use crate::store::disk::layout::{LOG, OUT, RECORD};
use crate::store::disk::regular::open_regular;
use crate::store::disk::remove::remove_tree;
use crate::store::disk::system::FileTime;
use crate::store::disk::unsynced::Unsynced;
use crate::store::index::Listing;
use crate::store::known::running::folder_suffix;
use crate::store::object::attached::Attached;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::context::Context;
use crate::store::object::paths::Paths;
use crate::store::object::realization::Realization;
use crate::store::object::record::{Outcome, Record, reference};
use crate::store::object::scan::{Scanned, ScannedKind, scan};
use crate::store::object::seal::seal;
use crate::store::object::series::SERIES;
use crate::store::object::tree::Manifest;
use crate::store::object::violation::{Violation, unkept, violations_of};
use crate::store::publish::derivation::Installed;
use crate::store::publish::install::install;
use crate::store::publish::own_links::make_relative;
use crate::store::publish::whole::present;
use crate::{Error, ErrorKind, Result};

/// The folder for scratch files of a build, beside its output.
const SCRATCH: &str = "scratch";

/// A build in progress: a temporary folder, removed on drop unless it was published or kept.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    /// The folder that becomes the realization's; `None` after publication.
    folder: Option<PathBuf>,
    out: PathBuf,
    log: PathBuf,
    scratch: PathBuf,
    /// Cached scan of the output.
    found: Option<Content>,
    /// The identifier of the record that will attach the series of numbers, if the stage recorded any.
    series_record: Option<Uuid>,
}

/// The scanned content of an output.
#[derive(Debug)]
struct Content {
    entries: Vec<Scanned<()>>,
    /// The derivation whose promises the output is known to keep.
    keeps: Option<Digest>,
}

/// The result of publishing. `realization` is `None` if it existed before, as it then has other builds too.
pub(crate) struct PublishedRun {
    pub(crate) published: Published,
    pub(crate) realization: Option<Realization>,
    /// What the index can be told of it, if the derivation came with it.
    pub(in crate::store) first: Option<FirstRealization>,
}

/// The first realization of a derivation, as it was published.
pub(in crate::store) struct FirstRealization {
    pub(in crate::store) listing: Listing,
    /// The modification time of the derivation's folder, as long as nothing else changes there.
    pub(in crate::store) set_back: FileTime,
    /// Whether it is one run of several, so that a mark belongs to it.
    pub(in crate::store) is_of_several: bool,
}

/// The result of publishing a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The reference of the realization.
    pub id: RRefId,
    /// Whether the realization is new to the store.
    pub new: bool,
}

impl Store {
    /// Begins a build in a new, empty folder.
    pub(crate) fn draft(&self) -> Result<Draft> {
        Draft::begin(self, "")
    }

    /// Begins a run of a derivation named in the lease, so that other processes see it in [`running`](Self::running).
    pub(crate) fn draft_of(&self, dref: &DRefId, index: usize) -> Result<Draft> {
        // A key that cannot sign is told before the stage has worked for hours.
        self.signer()?;
        Draft::begin(self, &folder_suffix(dref, index))
    }
}

impl Draft {
    /// Begins a build in a folder whose name ends in `suffix`.
    pub(in crate::store) fn begin(store: &Store, suffix: &str) -> Result<Self> {
        let mut folder = store.manager().temporary()?.into_os_string();
        folder.push(suffix);
        let folder = PathBuf::from(folder);
        let out = folder.join(OUT);
        fs::create_dir(&folder)
            .and_then(|()| fs::create_dir(&out))
            // The process's temporary folder may have been deleted.
            .or_else(|_| fs::create_dir_all(&out))
            .map_err(|error| Error::io("create the folder", &out, error))?;
        Ok(Draft {
            store: store.clone(),
            log: folder.join(LOG),
            scratch: folder.join(SCRATCH),
            folder: Some(folder),
            out,
            found: None,
            series_record: None,
        })
    }

    /// Returns the empty folder for the artifacts.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Returns the path of the log, which does not exist until it is written. The log is published with the realization.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the path of the scratch folder, which does not exist until the build creates it. Publication removes it; a
    /// failed build keeps it.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Publishes the output as a realization of `derivation` made from `context`. Equal bytes from an equal context are the
    /// same realization: if it exists already, only the build record is added.
    ///
    /// Makes files read-only; replaces a file with several hard links by a copy. Makes absolute links into [`out`](Self::out)
    /// relative.
    ///
    /// # Errors
    /// Fails if the context does not match the derivation, if the output contains an invalid entry (a socket, a name that is
    /// not UTF-8), breaks a promise (unless the outcome is a failure), contains a link that is dangling or leads out of it, or
    /// contains a file that is still being written. Fails if the same result exists already and is damaged, or if a system call
    /// fails, for example on a full disk. Nothing is published then, and the draft can still be kept or be published again.
    pub fn publish(
        &mut self,
        derivation: &ConfigJson,
        context: &Context,
        outcome: Outcome,
        build: &BuildRecord,
    ) -> Result<Published> {
        let made = self.make(derivation, context, outcome, build)?;
        Ok(made.published)
    }

    /// Publishes as [`publish`](Self::publish) does, and returns the realization as well.
    pub(crate) fn make(
        &mut self,
        derivation: &ConfigJson,
        context: &Context,
        outcome: Outcome,
        build: &BuildRecord,
    ) -> Result<PublishedRun> {
        let Some(folder) = self.folder.clone() else {
            return Err(Error::new(
                ErrorKind::Store,
                "this draft was published already",
            ));
        };
        expect_context(derivation, context)?;
        remove_tree(&self.scratch)
            .map_err(|error| Error::io("remove the folder", &self.scratch, error))?;
        let found = self.take_found()?;
        self.expect_complete(&found, derivation, outcome)?;
        let mut unsynced = Unsynced::new(self.store.durability());
        let manifest = seal(&self.out, found.entries, &mut unsynced)?;
        let record = Record::new(*derivation.digest(), context.clone(), outcome, manifest);
        let text = record.to_text();
        let id = reference(derivation.id(), &text);
        write_anew(&folder.join(RECORD), text.as_bytes(), &mut unsynced)?;
        let build_file = folder.join(build.file_name());
        let build_bytes = build.to_bytes()?;
        write_anew(&build_file, &build_bytes, &mut unsynced)?;
        let of_record = || Ok(Digest::of(text.as_bytes()));
        if let Some((name, bytes)) = self.store.signed(of_record, build, &build_bytes)? {
            write_anew(&folder.join(name), &bytes, &mut unsynced)?;
        }
        keep_log(&self.log, &folder.join(build.log_name()), &mut unsynced)?;
        let series = self.keep_series(&folder, build, &mut unsynced)?;
        unsynced.folder(&folder);

        let store = &self.store;
        let installed = install(store, derivation, context, &folder, &id, &text, unsynced)?;
        if let Installed::Merged = installed {
            // The existing realization has the right name, but may be damaged.
            present(store, [&id])?.all_intact()?;
            return Ok(PublishedRun {
                published: Published { id, new: false },
                realization: None,
                first: None,
            });
        }
        self.folder = None;
        let listing = Listing::of_published(&id, record.head(), build, series.as_slice());
        let realization = listing.only(id.dref(), context, store.objects());
        let first = match installed {
            Installed::WithDerivation {
                set_back: Some(set_back),
            } => Some(FirstRealization {
                listing,
                set_back,
                is_of_several: build.is_of_several(),
            }),
            _ => None,
        };
        Ok(PublishedRun {
            published: Published { id, new: true },
            realization,
            first,
        })
    }

    /// Hashes the output and makes it read-only, as for publication, and returns its manifest.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub(crate) fn manifest(&mut self) -> Result<Manifest> {
        let found = self.take_found()?;
        let unsynced = &mut Unsynced::new(Durability::None);
        seal(&self.out, found.entries, unsynced)
    }

    /// Returns the promises of `derivation` that the finished output breaks.
    ///
    /// # Errors
    /// Fails if the output contains an entry that cannot be published.
    pub(crate) fn unkept(&mut self, derivation: &ConfigJson) -> Result<Vec<Violation>> {
        let promises = derivation.promises();
        if promises.is_empty() {
            return Ok(Vec::new());
        }
        // Rescan: the stage may have fixed the output since.
        self.found = None;
        let mut found = self.take_found()?;
        let unkept = unkept(&promises, &Paths::found(&found.entries));
        found.keeps = unkept.is_empty().then_some(*derivation.digest());
        self.found = Some(found);
        Ok(unkept)
    }

    /// Returns the content of the output, scanned at most once.
    fn take_found(&mut self) -> Result<Content> {
        if let Some(found) = self.found.take() {
            return Ok(found);
        }
        let mut entries = scan(&self.out)?;
        make_relative(&self.out, &mut entries)?;
        let keeps = None;
        Ok(Content { entries, keeps })
    }

    /// Checks that the output keeps all promises and that its links resolve inside of it.
    fn expect_complete(
        &self,
        found: &Content,
        derivation: &ConfigJson,
        outcome: Outcome,
    ) -> Result<()> {
        let Content { entries, keeps } = found;
        let has_links =
            || (entries.iter()).any(|entry| matches!(entry.kind, ScannedKind::Link { .. }));
        if *keeps == Some(*derivation.digest()) && !has_links() {
            return Ok(());
        }
        let lacking = violations_of(derivation, outcome, &Paths::found(entries));
        let Some(lack) = lacking.first() else {
            return Ok(());
        };
        let path = self.out.join(&lack.path);
        let message = format!("cannot publish {}: it {lack}", path.display());
        Err(Error::new(ErrorKind::Stage, message)
            .at(&path)
            .with_help(lack.help()))
    }

    /// Frees disk space: deletes the output and truncates a long log to its end.
    pub(crate) fn make_room(&self) -> Result<()> {
        for folder in [&self.out, &self.scratch] {
            remove_tree(folder).map_err(|error| Error::io("delete", folder, error))?;
        }
        shorten(&self.log).map_err(|error| Error::io("shorten", &self.log, error))
    }

    /// Moves the folder of a failed build, with its log, to the failed builds, and returns its path.
    ///
    /// # Errors
    /// Fails if a system call fails; the folder is then removed.
    pub fn keep_failed(mut self, name: &Name) -> Result<PathBuf> {
        let kept = self
            .store
            .layout()
            .failed()
            .join(format!("{}-{name}", Uuid::now_v7()));
        if let Some(folder) = self.folder.clone() {
            rename_new(&folder, &kept)?;
            self.folder = None;
        }
        Ok(kept)
    }

    /// Returns the path of the series that the stage recorded, if it did.
    pub(crate) fn series(&self) -> PathBuf {
        self.log.with_file_name(SERIES)
    }

    /// Notes that the stage recorded series: without that they are not published.
    pub(crate) fn has_series(&mut self) {
        self.series_record.get_or_insert_with(Uuid::now_v7);
    }

    /// Takes over the series of another draft, for a result that is published in its place.
    pub(crate) fn take_series(&mut self, from: &Draft) -> Result<()> {
        let (old, new) = (from.series(), self.series());
        self.series_record = from.series_record;
        if from.series_record.is_none() {
            return Ok(());
        }
        fs::rename(&old, &new).map_err(|error| Error::io("keep the series", &old, error))
    }

    /// Renames the series to its published name, and writes the record that attaches it.
    fn keep_series(
        &self,
        folder: &Path,
        build: &BuildRecord,
        unsynced: &mut Unsynced,
    ) -> Result<Option<BuildRecord>> {
        let Some(id) = self.series_record else {
            return Ok(None);
        };
        let mut record = Attached::series(build.id).into_record(Some(build));
        record.id = id;
        keep_log(&self.series(), &folder.join(record.log_name()), unsynced)?;
        write_anew(
            &folder.join(record.file_name()),
            &record.to_bytes()?,
            unsynced,
        )?;
        Ok(Some(record))
    }
}

/// Renames a log to its published name. Removes an empty log.
fn keep_log(path: &Path, named: &Path, unsynced: &mut Unsynced) -> Result<()> {
    let used = |error| Error::io("keep the log", path, error);
    match fs::symlink_metadata(path) {
        Ok(log) if log.len() == 0 => fs::remove_file(path).map_err(used),
        Ok(_) => {
            let (log, _) = open_regular(path).map_err(used)?;
            fs::rename(path, named).map_err(used)?;
            unsynced.file(named, log);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(used(error)),
    }
}

/// Checks that a context has realizations of just the dependencies that the config names.
pub(in crate::store) fn expect_context(derivation: &ConfigJson, context: &Context) -> Result<()> {
    // Comparing hashes needs no list of the dependencies.
    if derivation.depends_on(context.iter().map(|(dref, _)| *dref.hash())) {
        return Ok(());
    }
    let Some(misfit) = context.misfits(derivation).next() else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Store,
        format!("{} cannot be published: it {misfit}", derivation.id()),
    )
    .with_help("a context has realizations of each dependency that the config names"))
}

/// Truncates a log that is longer than `MOST` to its last `LEFT` bytes.
fn shorten(log: &Path) -> io::Result<()> {
    const MOST: u64 = 1 << 20;
    const LEFT: u64 = 64 << 10;
    let file = match File::options().read(true).write(true).open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let length = file.metadata()?.len();
    if length <= MOST {
        return Ok(());
    }
    let mut end = vec![0; LEFT as usize];
    file.read_exact_at(&mut end, length - LEFT)?;
    file.set_len(0)?;
    let note = format!(
        "[the first {} bytes were deleted, as the disk was full]\n",
        length - LEFT
    );
    file.write_all_at(note.as_bytes(), 0)?;
    file.write_all_at(&end, note.len() as u64)
}

/// Writes a file in the draft's folder, replacing one from an earlier failed publication.
fn write_anew(path: &Path, bytes: &[u8], unsynced: &mut Unsynced) -> Result<()> {
    match unsynced.create(path, bytes) {
        Err(error) if is_there_already(&error) => {
            fs::remove_file(path).map_err(|error| Error::io("remove", path, error))?;
            unsynced.create(path, bytes)
        }
        created => created,
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            // Best effort: the sweep of dead processes removes a leftover.
            let _ = remove_tree(&folder);
        }
    }
}
