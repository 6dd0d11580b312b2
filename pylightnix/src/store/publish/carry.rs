//! Carrying: publishing a realization made from another context again, without running its stage and without copying bytes.
//!
//! The files of both realizations are one file each, or share their blocks: see [`share`]. A hard link adds nothing to the file
//! that would have to be synced, so what was published without waiting for the disk stays so.

use jiff::Timestamp;
use rustix::fs::CWD;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::config::{ConfigJson, Digest, RRefId};
use crate::store::Store;
use crate::store::disk::below::{create_file, open_file};
use crate::store::disk::duplicate::{Refusal, duplicate};
use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{OUT, RECORD, TAKEN_FROM};
use crate::store::disk::parallel;
use crate::store::disk::regular;
use crate::store::disk::share::{CanShareBlocks, Shared, share};
use crate::store::disk::there::is_absence;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::attached::Attached;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::Builds;
use crate::store::object::carried::Carried;
use crate::store::object::context::Context;
use crate::store::object::realization::Realization;
use crate::store::object::record::reference;
use crate::store::object::seal::{FEW_FILES, finish, seal_folders, threads_to_write};
use crate::store::object::tree::{EntryKind, Manifest};
use crate::store::publish::complete::expect_complete;
use crate::store::publish::copy::copy_small;
use crate::store::publish::derivation::Installed;
use crate::store::publish::draft::{Published, PublishedRun, expect_context};
use crate::store::publish::install::install;
use crate::store::publish::staging::Staging;
use crate::store::publish::whole::expect_whole_at_a_glance;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Publishes the artifacts of `from`, a realization of the derivation `config`, as a realization made from `context`.
    /// Neither runs the stage nor reads the artifacts. `from` is in this store, or was fetched from a remote and not published.
    ///
    /// Each of `builds`, which are builds of `from`, is recorded again under a new identifier, with its log and with a note of
    /// whose work it is. Nothing in the new realization depends on `from`, which may be removed afterwards.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Missing`] or [`ErrorKind::Store`] if `from` is not there, or is damaged so that it shows without
    /// reading its files; the stage can be run instead. Fails with [`ErrorKind::Io`] if a system call fails. Publishes nothing
    /// then.
    pub(crate) fn carry(
        &self,
        config: &ConfigJson,
        from: &Realization,
        context: &Context,
        builds: &[&BuildRecord],
    ) -> Result<PublishedRun> {
        let source = &from.id;
        if source.dref() != config.id() {
            return Err(refused(source, "it is of another derivation"));
        }
        expect_context(config, context)?;
        if builds.is_empty() {
            return Err(refused(source, "no build of it is to be carried"));
        }
        // Before reading anything, to protect it from garbage collection.
        let used = context.iter().map(|(dref, _)| dref);
        self.record_in_use(used.chain([config.id()]))?;
        let at = from.whole_folder();
        let old = self.record_in(source, &at)?;
        expect_complete(self, source, config, &old, "carried")?;
        if old.head().context == *context {
            return Err(refused(source, "it is made from that context already"));
        }
        let record = old.made_from(context.clone());
        let text = record.to_text();
        let id = reference(config.id(), &text);

        let staging = Staging::new(self)?;
        let folder = staging.folder();
        let mut unsynced = Unsynced::new(self.durability());
        let artifacts = Artifacts {
            of: source,
            from: from.out(),
            to: folder.join(OUT),
            durability: self.durability(),
            reflinks: self.manager().reflinks(),
        };
        artifacts.carry(record.manifest(), &mut unsynced)?;
        unsynced.create(&folder.join(RECORD), text.as_bytes())?;
        // A hint for people, so that its lack is no error.
        if let Ok(taken_from) = regular::read(&at.join(TAKEN_FROM)) {
            unsynced.create(&folder.join(TAKEN_FROM), &taken_from)?;
        }
        let builds = self.carry_builds(from, &text, builds, folder, &mut unsynced)?;
        let series = self.carry_series(from, &builds, folder, &mut unsynced)?;
        unsynced.folder(folder);

        let installed = install(self, config, context, folder, &id, &text, unsynced)?;
        let new = !matches!(installed, Installed::Merged);
        if new {
            staging.moved();
        } else {
            expect_whole_at_a_glance(self, &id)?;
        }
        let realization = new.then(|| {
            let builds = Builds::with_attached(builds, &series);
            self.realization_of(id.clone(), record.head(), builds)
        });
        Ok(PublishedRun {
            published: Published { id, new },
            realization,
            first: None,
        })
    }

    /// Records builds of `from` again in `folder`, with their logs, as builds whose work was carried, of the realization with the
    /// record `text`.
    fn carry_builds(
        &self,
        from: &Realization,
        text: &str,
        builds: &[&BuildRecord],
        folder: &Path,
        unsynced: &mut Unsynced,
    ) -> Result<Vec<BuildRecord>> {
        let few = builds.len() <= FEW_FILES;
        let time = Timestamp::now();
        let mut carried = Vec::with_capacity(builds.len());
        for build in builds {
            let mut new = (*build).clone();
            new.id = Uuid::now_v7();
            new.carried = Some(match &build.carried {
                // Of what was carried before, the build whose work it is stays the same.
                Some(before) => Carried {
                    time,
                    ..before.clone()
                },
                None => Carried {
                    from: from.id.clone(),
                    build: build.id,
                    time,
                },
            });
            let log = from.whole_folder().join(build.log_name());
            self.carry_log(&log, &folder.join(new.log_name()), few, unsynced)?;
            let (path, bytes) = (folder.join(new.file_name()), new.to_bytes()?);
            match few {
                true => unsynced.create(&path, &bytes)?,
                false => self.durability().write_new(&path, &bytes)?,
            }
            if let Some((name, bytes)) =
                self.signed(|| Ok(Digest::of(text.as_bytes())), &new, &bytes)?
            {
                let path = folder.join(name);
                match few {
                    true => unsynced.create(&path, &bytes)?,
                    false => self.durability().write_new(&path, &bytes)?,
                }
            }
            carried.push(new);
        }
        Ok(carried)
    }

    /// Attaches the series that `builds`, which were just carried, recorded. Returns the records.
    fn carry_series(
        &self,
        from: &Realization,
        builds: &[BuildRecord],
        folder: &Path,
        unsynced: &mut Unsynced,
    ) -> Result<Vec<BuildRecord>> {
        let few = builds.len() <= FEW_FILES;
        let mut attached = Vec::new();
        for (record, recorded_by) in from.builds.series() {
            let is_of = |build: &&BuildRecord| {
                build
                    .carried
                    .as_ref()
                    .is_some_and(|carried| carried.build == recorded_by)
            };
            let Some(build) = builds.iter().find(is_of) else {
                continue;
            };
            // The record names the build whose work it is, as does that of a realization carried further.
            let new = Attached::series(recorded_by).into_record(Some(build));
            let log = from.whole_folder().join(BuildRecord::log_name_of(record));
            self.carry_log(&log, &folder.join(new.log_name()), few, unsynced)?;
            let (path, bytes) = (folder.join(new.file_name()), new.to_bytes()?);
            match few {
                true => unsynced.create(&path, &bytes)?,
                false => self.durability().write_new(&path, &bytes)?,
            }
            attached.push(new);
        }
        Ok(attached)
    }

    /// Gives a log a second path, if it exists.
    fn carry_log(&self, from: &Path, to: &Path, few: bool, unsynced: &mut Unsynced) -> Result<()> {
        match share(from, to, self.manager().reflinks()) {
            Ok(Shared::Linked) => Ok(()),
            Ok(Shared::Cloned(file)) if few => {
                unsynced.file(to, file);
                Ok(())
            }
            Ok(Shared::Cloned(file)) => self.durability().sync(&file, to),
            Ok(Shared::Not) => copy_small(self, from, to),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(Error::io("carry", from, error)),
        }
    }
}

/// Artifacts on their way from one realization to another.
struct Artifacts<'a> {
    of: &'a RRefId,
    from: PathBuf,
    to: PathBuf,
    durability: Durability,
    reflinks: &'a CanShareBlocks,
}

/// A file as its record describes it.
struct Sealed<'a> {
    path: &'a str,
    digest: &'a Digest,
    size: u64,
    executable: bool,
}

/// A file that was carried.
enum Carry {
    Done,
    /// It has to be synced.
    Open(File),
    /// It has to be copied.
    Not,
}

impl Artifacts<'_> {
    fn carry(&self, manifest: &Manifest, unsynced: &mut Unsynced) -> Result<()> {
        let make = |path: &Path| {
            fs::create_dir(path).map_err(|error| Error::io("create the folder", path, error))
        };
        make(&self.to)?;
        let mut folders = Vec::new();
        let mut files = Vec::new();
        for entry in manifest.entries() {
            match &entry.kind {
                EntryKind::Dir => {
                    make(&self.to.join(&entry.path))?;
                    folders.push(entry.path.as_str());
                }
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => files.push(Sealed {
                    path: &entry.path,
                    digest,
                    size: *size,
                    executable: *executable,
                }),
                EntryKind::Link { .. } => {}
            }
        }
        let few = files.len() <= FEW_FILES;
        let threads = match few {
            true => 1,
            false if self.reflinks.get() => threads_to_write(self.durability),
            false => parallel::cores(),
        };
        let carried = parallel::map(&files, threads, |_, file| self.share(file, few))?;
        let mut to_copy = Vec::new();
        for (file, carried) in files.iter().zip(carried) {
            match carried {
                Carry::Done => {}
                Carry::Open(open) => unsynced.file(&self.to.join(file.path), open),
                Carry::Not => to_copy.push(file),
            }
        }
        parallel::map(&to_copy, threads_to_write(self.durability), |_, file| {
            self.copy(file)
        })?;
        // Links come last, so that no file is written through one.
        for entry in manifest.entries() {
            if let EntryKind::Link { target } = &entry.kind {
                let path = self.to.join(&entry.path);
                symlink(target, &path)
                    .map_err(|error| Error::io("create the link", &path, error))?;
            }
        }
        seal_folders(&self.to, folders.into_iter(), unsynced)
    }

    /// Carries a file without reading it, if it looks as its record says. Returns it open if it may be synced `later`.
    fn share(&self, file: &Sealed<'_>, later: bool) -> Result<Carry> {
        let (from, to) = (self.from.join(file.path), self.to.join(file.path));
        let shared = match share(&from, &to, self.reflinks) {
            Ok(shared) => shared,
            Err(error) => {
                self.expect_file(&from)?;
                return Err(Error::io("carry", &from, error));
            }
        };
        let found = match &shared {
            Shared::Linked => fs::symlink_metadata(&to),
            Shared::Cloned(clone) => clone.metadata(),
            Shared::Not => return Ok(Carry::Not),
        };
        let found = found.map_err(|error| Error::io("look at", &to, error))?;
        self.expect_like(file, &from, &found)?;
        match shared {
            Shared::Cloned(clone) => {
                let durability = if later {
                    Durability::None
                } else {
                    self.durability
                };
                finish(&clone, &to, file.executable, durability)?;
                Ok(if later {
                    Carry::Open(clone)
                } else {
                    Carry::Done
                })
            }
            _ if found.mode() & 0o7777 == file.mode() => Ok(Carry::Done),
            // Whoever changed the mode may have changed the bytes: copying verifies them.
            _ => {
                fs::remove_file(&to).map_err(|error| Error::io("remove", &to, error))?;
                Ok(Carry::Not)
            }
        }
    }

    /// Copies a file, and verifies its bytes.
    fn copy(&self, file: &Sealed<'_>) -> Result<()> {
        let (from, to) = (self.from.join(file.path), self.to.join(file.path));
        self.expect_file(&from)?;
        let source =
            open_file(CWD, &from).map_err(|errno| Error::io("open", &from, errno.into()))?;
        let found = source.metadata();
        let found = found.map_err(|error| Error::io("look at", &from, error))?;
        self.expect_like(file, &from, &found)?;
        let target =
            create_file(CWD, &to).map_err(|errno| Error::io("create", &to, errno.into()))?;
        match duplicate(&source, &target, file.size) {
            Ok(copied) if copied == (*file.digest, file.size) => {}
            Ok(_) => return Err(self.damaged(&from, "does not match the digest in its record")),
            Err(Refusal::Read(error)) => return Err(Error::io("read", &from, error)),
            Err(Refusal::Write(error)) => return Err(Error::io("write", &to, error)),
        }
        finish(&target, &to, file.executable, self.durability)
    }

    /// Fails if it is certain that there is no file at a path.
    fn expect_file(&self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => {
                Err(self.damaged(path, "is not a file, unlike in its record"))
            }
            Err(error) if is_absence(&error) => Err(self.damaged(path, "is missing")),
            _ => Ok(()),
        }
    }

    /// Fails if what was found at `path` cannot be the file that the record describes.
    fn expect_like(&self, file: &Sealed<'_>, path: &Path, found: &Metadata) -> Result<()> {
        if !found.is_file() {
            return Err(self.damaged(path, "is not a file, unlike in its record"));
        }
        if found.len() != file.size {
            let (found, recorded) = (found.len(), file.size);
            let why = format!("has {found} bytes, and its record says {recorded}");
            return Err(self.damaged(path, &why));
        }
        Ok(())
    }

    fn damaged(&self, path: &Path, why: &str) -> Error {
        refused(self.of, &format!("{} {why}", path.display()))
            .at(path)
            .with_help("run its stage instead, and `repair` the store")
    }
}

impl Sealed<'_> {
    fn mode(&self) -> u32 {
        if self.executable { 0o555 } else { 0o444 }
    }
}

fn refused(rref: &RRefId, why: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{rref} cannot be carried into another context: {why}"),
    )
}
