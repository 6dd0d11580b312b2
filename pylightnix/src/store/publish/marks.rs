//! Creating and removing the marks of multi-run builds; see [`BuildMark`].

use std::fs;
use std::io;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{is_not_found, touch};
use crate::store::disk::entries::entries;
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::known::snapshot::Snapshot;
use crate::store::object::build_mark::{BuildMark, begun_from, marks_of};
use crate::store::object::builds::BuildHead;
use crate::store::object::context::Context;
use crate::store::object::realization::Realization;
use crate::{Error, Result};

impl Store {
    /// Marks a build as begun, before its first run. The caller holds the build lock.
    pub(crate) fn mark_begun(
        &self,
        dref: &DRefId,
        context: &Context,
        begun: &BuildMark,
    ) -> Result<String> {
        let name = begun.name_in(context)?;
        self.put_mark(dref, &name, &begun.to_bytes()?)?;
        Ok(name)
    }

    /// Writes a mark, replacing one of the same name.
    pub(in crate::store) fn put_mark(&self, dref: &DRefId, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.layout().begun(dref);
        let path = folder.join(name);
        // An interrupted build left an equal mark, which is durable already.
        if regular::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let draft = self.manager().temporary()?;
        let replace = || {
            fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
            self.durability().replace_file(&draft, &path, bytes)
        };
        match replace() {
            // Another process removed the folder together with the derivation's last mark.
            Err(error) if is_not_found(&error) => replace()?,
            done => done?,
        }
        for folder in [&*folder, &self.layout().all_begun(), self.layout().root()] {
            self.durability().sync_folder(folder)?;
        }
        self.show_marks_changed(dref)
    }

    /// Removes marks of builds that have ended. The caller holds the build lock.
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
        // Fails while other marks remain in the folder.
        let _ = fs::remove_dir(&folder);
        self.show_marks_changed(dref)
    }

    /// Invalidates the index entry of the derivation.
    fn show_marks_changed(&self, dref: &DRefId) -> Result<()> {
        let folder = self.derivation_dir(dref);
        match touch(&folder).and_then(|()| self.durability().sync_folder(&folder)) {
            // A derivation that is not in the store has no index entry.
            Err(error) if is_not_found(&error) => Ok(()),
            done => done,
        }
    }

    /// Copies the marks for the builds of these realizations from another store.
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

    /// Whether a realization is the result of an incomplete multi-run build. Running its stage makes the missing results.
    pub(crate) fn is_unfinished(&self, realization: &Realization) -> Result<bool> {
        let snapshot = Snapshot::of(self, realization.id.dref())?;
        if !snapshot.is_marked() {
            return Ok(false);
        }
        let begun = snapshot.begun(&realization.context);
        let is_run_of = |head: &BuildHead<'_>, begun: &BuildMark| {
            head.run
                .is_some_and(|run| (begun.first..begun.of).contains(&run.index))
                && (begun.fingerprint.is_none() || begun.fingerprint.as_deref() == head.fingerprint)
        };
        let mut heads = realization.builds.heads();
        Ok(heads.any(|head| begun.iter().any(|begun| is_run_of(&head, begun))))
    }

    /// Returns the derivations that have marks.
    pub(in crate::store) fn marked(&self) -> Result<Vec<DRefId>> {
        let folder = self.layout().all_begun();
        let mut marked = Vec::new();
        for entry in entries(&folder)? {
            let name = entry?.file_name().into_string();
            marked.extend(name.ok().and_then(|name| DRefId::from_folder(&name)));
        }
        Ok(marked)
    }

    /// Removes all marks of a deleted derivation. The caller holds the exclusive lock.
    pub(in crate::store) fn delete_marks(&self, dref: &DRefId) -> Result<()> {
        let folder = self.layout().begun(dref);
        remove_tree(&folder).map_err(|error| Error::io("delete", &folder, error))
    }
}
