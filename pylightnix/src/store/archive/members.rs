//! What an archive has of the artifacts of a realization.

use super::writer::{Artifact, Out, Writer};
use super::{EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE};
use crate::Result;
use crate::store::object::tree::{EntryKind, Manifest};

/// The artifacts of a realization, by their names in an archive.
pub(in crate::store) struct Members<'a> {
    /// Folders and files.
    artifacts: Vec<Artifact<'a>>,
    /// Links, each with its target.
    links: Vec<(String, &'a str)>,
}

impl<'a> Members<'a> {
    /// Lists what a manifest has. `name_of` gives the name in the archive of the entry at a path.
    pub(in crate::store) fn of(
        manifest: &'a Manifest,
        name_of: impl Fn(&'a str) -> String,
    ) -> Self {
        let (mut artifacts, mut links) = (Vec::new(), Vec::new());
        for entry in manifest.entries() {
            let name = name_of(&entry.path);
            match &entry.kind {
                EntryKind::Dir => artifacts.push(Artifact {
                    name: name + "/",
                    path: &entry.path,
                    mode: FOLDER_MODE,
                    digest: None,
                    size: 0,
                }),
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => artifacts.push(Artifact {
                    name,
                    path: &entry.path,
                    mode: match executable {
                        true => EXECUTABLE_MODE,
                        false => FILE_MODE,
                    },
                    digest: Some(digest),
                    size: *size,
                }),
                EntryKind::Link { target } => links.push((name, target.as_str())),
            }
        }
        Members { artifacts, links }
    }

    /// Writes the folders and files, which lie in `out`.
    pub(in crate::store) fn write_artifacts(&self, writer: &mut Writer, out: &Out) -> Result<()> {
        writer.artifacts(out, &self.artifacts)
    }

    /// Writes the links, which come last.
    pub(in crate::store) fn write_links(&self, writer: &mut Writer) -> Result<()> {
        let mut links = self.links.iter();
        links.try_for_each(|(name, target)| writer.link(name, target))
    }
}
