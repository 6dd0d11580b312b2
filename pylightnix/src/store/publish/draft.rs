//! Builds under way, and publishing them.

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
use crate::store::disk::unsynced::Unsynced;
use crate::store::known::running::mark;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::Builds;
use crate::store::object::context::Context;
use crate::store::object::lacking::{Lack, lacking, unkept};
use crate::store::object::paths::Paths;
use crate::store::object::realization::Realization;
use crate::store::object::record::{Outcome, Record, reference};
use crate::store::object::scan::{Scanned, ScannedKind, scan};
use crate::store::object::seal::seal;
use crate::store::object::tree::Manifest;
use crate::store::publish::own_links::make_relative;
use crate::store::publish::place::place;
use crate::store::publish::whole::present;
use crate::{Error, ErrorKind, Result};

/// What a build under way needs only until it ends, beside its output.
const SCRATCH: &str = "scratch";

/// A build under way: a fresh folder, gone with this value unless it is published or kept.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    /// What becomes the realization's folder, or nothing once it has.
    folder: Option<PathBuf>,
    out: PathBuf,
    log: PathBuf,
    scratch: PathBuf,
    /// What the output was found to hold, until it is published.
    found: Option<Content>,
}

/// What an output holds.
#[derive(Debug)]
struct Content {
    entries: Vec<Scanned<()>>,
    /// The derivation of which it is known that it keeps the promises.
    keeps: Option<Digest>,
}

/// What publishing gave, and the realization as it lies in the store then. One that was there before is left out: it has
/// other builds too.
pub(crate) struct Made {
    pub(crate) published: Published,
    pub(crate) realization: Option<Realization>,
}

/// What publishing gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The realization.
    pub id: RRefId,
    /// Whether it was not in the store before.
    pub new: bool,
}

impl Store {
    /// Begins a build: a fresh, empty folder to write into.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn draft(&self) -> Result<Draft> {
        Draft::begin(self, "")
    }

    /// The same for a run of a derivation that the lease names: others can see it, [`running`](Self::running).
    pub(crate) fn draft_of(&self, dref: &DRefId, index: usize) -> Result<Draft> {
        Draft::begin(self, &mark(dref, index))
    }
}

impl Draft {
    /// Begins one, whose folder's name ends in `mark`.
    pub(in crate::store) fn begin(store: &Store, mark: &str) -> Result<Self> {
        let mut folder = store.manager().temporary()?.into_os_string();
        folder.push(mark);
        let folder = PathBuf::from(folder);
        let out = folder.join(OUT);
        fs::create_dir(&folder)
            .and_then(|()| fs::create_dir(&out))
            // Somebody may have removed this process's own folder.
            .or_else(|_| fs::create_dir_all(&out))
            .map_err(|error| Error::io("create the folder", &out, error))?;
        Ok(Draft {
            store: store.clone(),
            log: folder.join(LOG),
            scratch: folder.join(SCRATCH),
            folder: Some(folder),
            out,
            found: None,
        })
    }

    /// The empty folder for the artifacts.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The file for what the build prints, which is not there until somebody makes it. It goes with the realization.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The folder for what the build needs only until it ends, which is not there until somebody makes it. It is removed
    /// when the output is published, and kept with a failed build.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Publishes the output as a realization of `derivation`, made from `context`. The same bytes from the same context
    /// are the same realization: then only the build record is added to it.
    ///
    /// Files become read-only; one with other names (hard links) is replaced by a copy of its own. A link by the whole path
    /// of something in [`out`](Self::out) is made relative.
    ///
    /// # Errors
    /// A context that is none of this derivation, an entry that no output may hold (a socket, a name that is not UTF-8,
    /// ..), a promise of the derivation that is not kept, unless the outcome is a failure, a link that leads to nothing or
    /// out of the output, a file that is still being written, the same result that is there already and damaged, or a refusal
    /// of the system, a full disk for one. Nothing is published then, and the draft can still be kept, or published again when the cause is gone.
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

    /// The same, and gives the realization.
    pub(crate) fn make(
        &mut self,
        derivation: &ConfigJson,
        context: &Context,
        outcome: Outcome,
        build: &BuildRecord,
    ) -> Result<Made> {
        let Some(folder) = self.folder.clone() else {
            return Err(Error::new(
                ErrorKind::Store,
                "this draft was published already",
            ));
        };
        if let Some(misfit) = context.misfits(derivation).next() {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{} cannot be published: it {misfit}", derivation.id()),
            )
            .help("a context has realizations of each dependency that the config names"));
        }
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
        self.keep_log(&folder.join(build.log_name()), &mut unsynced)?;
        unsynced.folder(&folder);

        let store = &self.store;
        let new = place(store, derivation, context, &folder, &id, &text, unsynced)?;
        if !new {
            // What is there has the name of these bytes, and may be damaged.
            present(store, [&id])?.all_whole()?;
        }
        let published = Published { id, new };
        let realization = new.then(|| {
            self.folder = None;
            let builds = Builds::of(vec![build.clone()]);
            (self.store).realization_of(published.id.clone(), record.head(), builds)
        });
        Ok(Made {
            published,
            realization,
        })
    }

    /// What the output is, hashed and made read-only as for publishing, without that.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub(crate) fn manifest(&mut self) -> Result<Manifest> {
        let found = self.take_found()?;
        let unsynced = &mut Unsynced::new(Durability::None);
        seal(&self.out, found.entries, unsynced)
    }

    /// The promises of `derivation` that the output, which is complete, does not keep.
    ///
    /// # Errors
    /// An output that cannot be published.
    pub(crate) fn unkept(&mut self, derivation: &ConfigJson) -> Result<Vec<Lack>> {
        let promises = derivation.promises();
        if promises.is_empty() {
            return Ok(Vec::new());
        }
        // What was found before may have been put right since.
        self.found = None;
        let mut found = self.take_found()?;
        let unkept = unkept(&promises, &Paths::found(&found.entries));
        found.keeps = unkept.is_empty().then_some(*derivation.digest());
        self.found = Some(found);
        Ok(unkept)
    }

    /// What the output holds, looked up once.
    fn take_found(&mut self) -> Result<Content> {
        if let Some(found) = self.found.take() {
            return Ok(found);
        }
        let mut entries = scan(&self.out)?;
        make_relative(&self.out, &mut entries)?;
        let keeps = None;
        Ok(Content { entries, keeps })
    }

    /// That what the output holds has all that is promised, and that its links lead to something in it.
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
        let lacking = lacking(derivation, outcome, &Paths::found(entries));
        let Some(lack) = lacking.first() else {
            return Ok(());
        };
        let path = self.out.join(&lack.path);
        let message = format!("cannot publish {}: it {lack}", path.display());
        Err(Error::new(ErrorKind::Stage, message)
            .at(&path)
            .help(lack.help()))
    }

    /// Deletes what was written, and of a long log all but its end.
    pub(crate) fn make_room(&self) -> Result<()> {
        for folder in [&self.out, &self.scratch] {
            remove_tree(folder).map_err(|error| Error::io("delete", folder, error))?;
        }
        shorten(&self.log).map_err(|error| Error::io("shorten", &self.log, error))
    }

    /// Keeps the folder of a failed build for inspection, log included, and says where.
    ///
    /// # Errors
    /// A refusal of the system; the folder is then removed.
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

    /// Gives the log its name, unless there is none or it is empty.
    fn keep_log(&self, named: &Path, unsynced: &mut Unsynced) -> Result<()> {
        let used = |error| Error::io("keep the log", &self.log, error);
        match fs::symlink_metadata(&self.log) {
            Ok(log) if log.len() == 0 => fs::remove_file(&self.log).map_err(used),
            Ok(_) => {
                let (log, _) = open_regular(&self.log).map_err(used)?;
                fs::rename(&self.log, named).map_err(used)?;
                unsynced.file(named, log);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(used(error)),
        }
    }
}

/// Leaves of a log that is longer than `MOST` its end.
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

/// Writes a file of a draft's folder; one from a publishing that failed is replaced.
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
            // What cannot be removed now is swept when this process is gone.
            let _ = remove_tree(&folder);
        }
    }
}
