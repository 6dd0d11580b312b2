//! Marking builds of several runs that have begun, and removing the marks when they end: see [`Begun`].

use std::fs;
use std::io;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{is_not_found, touch};
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::known::snapshot::Snapshot;
use crate::store::object::begun::{Begun, begun_from, marks_of};
use crate::store::object::builds::BuildHead;
use crate::store::object::context::Context;
use crate::store::object::realization::Realization;
use crate::{Error, Result};

impl Store {
    /// Marks a build of a derivation from a context as begun, before its first run. The caller has the build lock.
    pub(crate) fn mark_begun(
        &self,
        dref: &DRefId,
        context: &Context,
        begun: &Begun,
    ) -> Result<String> {
        let name = begun.name_in(context)?;
        self.put_mark(dref, &name, &begun.to_bytes()?)?;
        Ok(name)
    }

    /// Puts a mark there, in place of one of the same name.
    pub(in crate::store) fn put_mark(&self, dref: &DRefId, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.layout().begun(dref);
        let path = folder.join(name);
        // One that a build left that was interrupted is on the disk.
        if regular::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let draft = self.manager().temporary()?;
        let replace = || {
            fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
            self.durability().replace_file(&draft, &path, bytes)
        };
        match replace() {
            // Who removed the last mark of this derivation removed the folder too.
            Err(error) if is_not_found(&error) => replace()?,
            done => done?,
        }
        for folder in [&*folder, &self.layout().all_begun(), self.layout().root()] {
            self.durability().sync_folder(folder)?;
        }
        self.show_marks_changed(dref)
    }

    /// Removes marks: the builds have ended. The caller has the build lock.
    pub(crate) fn mark_ended(&self, dref: &DRefId, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let folder = self.layout().begun(dref);
        for name in names {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => {}
            }
        }
        match self.durability().sync_folder(&folder) {
            Err(error) if !is_not_found(&error) => return Err(error),
            _ => {}
        }
        // It stays while there are others in it.
        let _ = fs::remove_dir(&folder);
        self.show_marks_changed(dref)
    }

    /// Has the index see that marks came or went.
    fn show_marks_changed(&self, dref: &DRefId) -> Result<()> {
        let folder = self.derivation_dir(dref);
        match touch(&folder).and_then(|()| self.durability().sync_folder(&folder)) {
            // Nothing is known of a derivation that is not there yet.
            Err(error) if is_not_found(&error) => Ok(()),
            done => done,
        }
    }

    /// Copies the marks of the builds of these realizations from another store.
    pub(in crate::store) fn copy_marks(&self, other: &Store, rrefs: &[RRefId]) -> Result<()> {
        let mut drefs: Vec<&DRefId> = rrefs.iter().map(RRefId::dref).collect();
        drefs.sort_unstable();
        drefs.dedup();
        for dref in drefs {
            for (name, bytes) in marks_of(other.layout(), dref)? {
                let is_of = |rref: &&RRefId| rref.dref() == dref;
                for rref in rrefs.iter().filter(is_of) {
                    let context = &other.realization(rref)?.context;
                    if begun_from(context, &name, &bytes).is_some() {
                        self.put_mark(dref, &name, &bytes)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a realization is of a build of several runs that has begun and not ended: more of them may come, and a run of its
    /// stage makes those that are missing.
    ///
    /// # Errors
    /// A broken record, or a refusal of the system.
    pub fn is_unfinished(&self, realization: &Realization) -> Result<bool> {
        let snapshot = Snapshot::of(self, realization.id.dref())?;
        if !snapshot.is_marked() {
            return Ok(false);
        }
        let begun = snapshot.begun(&realization.context);
        let is_run_of = |head: &BuildHead<'_>, begun: &Begun| {
            head.run
                .is_some_and(|run| (begun.first..begun.of).contains(&run.index))
                && (begun.fingerprint.is_none() || begun.fingerprint.as_deref() == head.fingerprint)
        };
        let mut heads = realization.builds.heads();
        Ok(heads.any(|head| begun.iter().any(|begun| is_run_of(&head, begun))))
    }

    /// The derivations that have marks.
    pub(in crate::store) fn marked(&self) -> Result<Vec<DRefId>> {
        let folder = self.layout().all_begun();
        let refused = |error| Error::io("read the folder", &folder, error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(refused)?,
        };
        let mut marked = Vec::new();
        for entry in entries {
            let name = entry.map_err(refused)?.file_name().into_string();
            marked.extend(name.ok().and_then(|name| DRefId::from_folder(&name)));
        }
        Ok(marked)
    }

    /// Removes all marks of a derivation that is gone. The caller is alone, and nobody uses the derivation.
    pub(in crate::store) fn delete_marks(&self, dref: &DRefId) -> Result<()> {
        let folder = self.layout().begun(dref);
        remove_tree(&folder).map_err(|error| Error::io("delete", &folder, error))
    }
}
