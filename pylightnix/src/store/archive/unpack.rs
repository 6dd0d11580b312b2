//! Unpacking archives.

use std::fs::File;
use std::path::Path;

use super::content::Archive;
use super::file::ArchiveFile;
use super::frame;
use super::inventory::Packed;
use super::refused;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::python::{is_python_archive, made_by_python};
use crate::store::disk::room::free_bytes;
use crate::store::disk::unsynced::Unsynced;
use crate::store::publish::install::{add_builds, install};
use crate::store::publish::staging::Staging;
use crate::store::publish::whole::present;
use crate::units::text;
use crate::{ErrorKind, Result};

/// An unpack operation with its options.
///
/// ```
/// # use pylightnix::store::{Store, Unpack};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// # let archive = folder.path().join("results.zip");
/// # store.pack([] as [pylightnix::config::RRefId; 0], &archive)?;
/// // At most a gigabyte, regardless of free disk space.
/// let rrefs = Unpack::new(&store).max_size(1 << 30).read(&archive)?;
/// # assert!(rrefs.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `read` is called"]
pub struct Unpack<'a> {
    store: &'a Store,
    max_size: Option<u64>,
    is_thin: bool,
    stubs: bool,
}

impl<'a> Unpack<'a> {
    /// Prepares to unpack into `store`, limited by free disk space.
    pub fn new(store: &'a Store) -> Self {
        Unpack {
            store,
            max_size: None,
            is_thin: false,
            stubs: false,
        }
    }

    /// Takes an archive with the records alone of some realizations, as [`Pack::stubs`](super::Pack::stubs) makes it: those that are not here become
    /// stubs, whose files are fetched from a remote before a stage or a program reads them.
    pub fn stubs(mut self) -> Self {
        self.stubs = true;
        self
    }

    /// Takes also an archive that lacks what this store has, as [`Pack::write_lacking_to`](super::Pack::write_lacking_to) makes it.
    pub fn thin(mut self) -> Self {
        self.is_thin = true;
        self
    }

    /// Rejects an archive that would add more than this number of bytes. Free disk space is then not checked, as sparse files
    /// need less than their size.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Publishes the content of an archive.
    ///
    /// # Errors
    /// See [`Store::unpack`].
    pub fn read(self, archive: impl AsRef<Path>) -> Result<Vec<RRefId>> {
        self.read_file(&ArchiveFile::open(archive)?)
    }

    /// Publishes the content of an open archive.
    ///
    /// # Errors
    /// See [`Store::unpack`].
    pub fn read_file(self, archive: &ArchiveFile) -> Result<Vec<RRefId>> {
        let ArchiveFile { file, path } = archive;
        expect_no_python(file, path)?;
        let archive = Archive {
            path,
            file,
            members: frame::read(file, path)?,
        };
        unpack(&self, &archive)
    }
}

/// Verifies an archive without a store: whether a store at `place` could unpack it. Returns the realizations in it,
/// dependencies first.
pub(super) fn examine(
    file: &File,
    path: &Path,
    max_size: Option<u64>,
    place: &Path,
) -> Result<Vec<RRefId>> {
    expect_no_python(file, path)?;
    let archive = Archive {
        path,
        file,
        members: frame::read(file, path)?,
    };
    let inventory = archive.inventory(&|_| Ok(false), true)?;
    let all = inventory.realizations.iter().map(|packed| (packed, false));
    archive.expect_room(all, max_size, place)?;
    for packed in &inventory.realizations {
        archive.verify(packed)?;
    }
    let packed = inventory.realizations.into_iter();
    Ok(packed.map(|packed| packed.id).collect())
}

/// Says of an archive by the Python package what it is.
fn expect_no_python(file: &File, path: &Path) -> Result<()> {
    match is_python_archive(file) {
        true => Err(made_by_python(path, "an archive", ErrorKind::Archive)),
        false => Ok(()),
    }
}

impl Archive<'_> {
    /// Checks that there is enough space. Realizations that exist already add only their builds.
    fn expect_room<'p>(
        &self,
        all: impl Iterator<Item = (&'p Packed, bool)>,
        max_size: Option<u64>,
        place: &Path,
    ) -> Result<()> {
        let needed = all.map(|(packed, is_there)| self.size(packed, is_there));
        let needed = needed.fold(0, u64::saturating_add);
        let too_large = |most, is| {
            let (needed, most) = text::sizes(needed, most);
            refused(self.path, &format!("it holds {needed}, and {most} {is}"))
        };
        match (max_size, free_bytes(place)) {
            (Some(most), _) if needed > most => Err(too_large(most, "are allowed")),
            (None, Some(free)) if needed > free => Err(too_large(free, "are free on the disk")
            .more_help(
                "if that is right, free some space; if its files have holes and take less, say how much it may have by \
                 `Unpack::max_size`",
            )),
            _ => Ok(()),
        }
    }

    /// Returns the number of bytes that a realization adds.
    fn size(&self, packed: &Packed, is_there: bool) -> u64 {
        let entries: &[usize] = match is_there {
            true => &[],
            false => &packed.artifacts,
        };
        let builds = packed.builds.iter().map(|(_, at)| at);
        let sizes = entries.iter().chain(builds);
        let sizes = sizes.map(|at| self.members[*at].size);
        sizes.fold(packed.text.len() as u64, u64::saturating_add)
    }
}

fn unpack(options: &Unpack<'_>, archive: &Archive<'_>) -> Result<Vec<RRefId>> {
    let Unpack {
        store,
        max_size,
        is_thin,
        stubs,
    } = options.clone();
    let inventory = archive.inventory(&|rref| Ok(is_thin && store.has(rref)?), stubs)?;
    // Before looking at what exists, to protect it from garbage collection until its dependents are published.
    store.record_in_use(inventory.configs.keys())?;
    let ids = inventory.realizations.iter().map(|packed| &packed.id);
    let present = present(store, ids)?.all_intact()?;
    let all = inventory.realizations.iter();
    let all = all.map(|packed| (packed, present.contains(&packed.id)));
    archive.expect_room(all, max_size, store.root())?;
    let staging = Staging::new(store)?;
    let folder = |at: usize| staging.folder().join(at.to_string());
    // Stage and verify everything before publishing anything.
    for (at, packed) in inventory.realizations.iter().enumerate() {
        archive.check_paths(packed, &folder(at))?;
        archive.check_paths(packed, &store.realization_dir(&packed.id))?;
        if packed.is_outline && !present.contains(&packed.id) && !stubs {
            let why = format!("it lacks {}, which was removed here meanwhile", packed.id);
            return Err(refused(archive.path, &why));
        }
        if present.contains(&packed.id) {
            archive.verify(packed)?;
            archive.stage_builds(packed, &folder(at), store.durability())?;
        } else if packed.is_outline {
            archive.stage_builds(packed, &folder(at), store.durability())?;
            let record = folder(at).join(RECORD);
            (store.durability()).write_new(&record, packed.text.as_bytes())?;
            store.durability().sync_folder(&folder(at))?;
        } else {
            archive.stage(packed, &folder(at), store.durability())?;
        }
    }
    // Texts first: who finds a build record finds the code that it names.
    let code = &inventory.code;
    for (fingerprint, text) in &code.texts {
        // What cannot be the name of a text is left out.
        if !store.has_code(fingerprint).unwrap_or(true) {
            store.take_code(fingerprint, text, &|hash| code.items.get(hash).cloned())?;
        }
    }
    for (at, packed) in inventory.realizations.iter().enumerate() {
        if present.contains(&packed.id) {
            if let Some(config) = inventory.configs.get(packed.id.dref()) {
                // A repair may have quarantined only the config.
                store.add_derivation(config)?;
            }
            add_builds(store, &folder(at), &packed.id, &packed.text)?;
        } else if let Some(config) = inventory.configs.get(packed.id.dref()) {
            let context = &packed.record.head().context;
            if packed.is_outline {
                store.put_stub(config, context, &folder(at), &packed.id, &packed.text)?;
                continue;
            }
            install(
                store,
                config,
                context,
                &folder(at),
                &packed.id,
                &packed.text,
                // Staging has already synced it.
                Unsynced::new(store.durability()),
            )?;
        }
    }
    Ok(inventory
        .realizations
        .into_iter()
        .map(|packed| packed.id)
        .collect())
}
