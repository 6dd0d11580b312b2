//! Writing an archive for the `sunpack` of the Python package.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::exportable::{Exportable, WriteTo, refused};
use super::names::CONFIG;
use crate::config::DRefId;
use crate::store::Store;
use crate::store::archive::members::Members;
use crate::store::archive::writer::{Out, Writer};
use crate::store::disk::durable::Durability;
use crate::store::disk::python::{PYTHON_OBJECTS, is_python_archive};
use crate::store::disk::target::{Target, unused_sibling};
use crate::{Error, ErrorKind, Result};

/// An archive that an export writes. It replaces the one at its path when it is whole.
pub(super) struct ArchiveTo {
    path: PathBuf,
    beside: PathBuf,
    durability: Durability,
    /// `None` if nothing is written, and after the end.
    writer: Option<Writer>,
    /// The derivations whose configs are in it.
    there: HashSet<DRefId>,
}

impl ArchiveTo {
    /// Begins an archive that will be at `path`.
    pub(super) fn open(store: &Store, path: &Path, writes: bool) -> Result<Self> {
        // The beginning is looked at once more below, as a file.
        let target = Target::check(path, "an archive of the Python package", 1, |_| {
            fs::File::open(path).is_ok_and(|file| is_python_archive(&file))
        })?;
        let Target::File(path) = target else {
            let message = format!("{} is no file", path.display());
            return Err(Error::new(ErrorKind::Archive, message)
                .at(path)
                .with_help("an archive for Python is written to a file"));
        };
        let beside = unused_sibling(&path);
        let writer = writes.then(|| Writer::create(&beside)).transpose()?;
        Ok(ArchiveTo {
            path,
            beside,
            durability: store.durability(),
            writer,
            there: HashSet::new(),
        })
    }
}

impl WriteTo for ArchiveTo {
    fn realization(&mut self, exportable: &Exportable<'_>) -> Result<bool> {
        let dref = exportable.config.id();
        let Some(writer) = &mut self.writer else {
            return Ok(true);
        };
        let derivation = format!("{PYTHON_OBJECTS}/{}", dref.folder());
        if self.there.insert(dref.clone()) {
            let text = exportable.config.text().as_bytes();
            writer.store(&format!("{derivation}/{CONFIG}"), text)?;
        }
        let prefix = format!("{derivation}/{}", exportable.python.folder());
        for (name, text) in &exportable.notes {
            writer.store(&format!("{prefix}/{name}"), text.as_bytes())?;
        }
        let members = Members::of(exportable.record.manifest(), |path| {
            format!("{prefix}/{}", exportable.path(path))
        });
        let out = Out::open(exportable.store.out_dir(exportable.rref))?;
        let written = members.write_artifacts(writer, &out);
        // What is in the archive cannot be taken back.
        written.map_err(|error| match writer.is_refused() {
            true => error,
            false => refused(exportable.rref, &error.to_string()).at(&self.path),
        })?;
        members.write_links(writer)?;
        Ok(true)
    }

    fn is_broken_by(&self, error: &Error) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_refused) || error.path() == Some(&*self.path)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let written = writer.finish(self.durability).and_then(|_| {
            fs::rename(&self.beside, &self.path)
                .map_err(|error| Error::io("create", &self.path, error))
        });
        if written.is_err() {
            // Best effort: it has a name of its own.
            let _ = fs::remove_file(&self.beside);
        }
        written?;
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        self.durability.sync_folder(folder)
    }
}

impl Drop for ArchiveTo {
    fn drop(&mut self) {
        if self.writer.is_some() {
            // Best effort: it has a name of its own.
            let _ = fs::remove_file(&self.beside);
        }
    }
}
