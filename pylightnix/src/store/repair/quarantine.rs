//! The quarantine: where a repair moves damaged objects.

use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::store::disk::layout::Layout;
use crate::{Error, Result};

/// The subfolder of one repair in `quarantine/`, created when first needed.
pub(super) struct Quarantine {
    folder: PathBuf,
    count: usize,
}

impl Quarantine {
    pub(super) fn new(layout: &Layout) -> Self {
        Quarantine {
            folder: layout.quarantine().join(Uuid::now_v7().to_string()),
            count: 0,
        }
    }

    /// Returns an unused path for the object at `path`.
    pub(super) fn place_for(&mut self, path: &Path) -> Result<PathBuf> {
        self.count += 1;
        let folder = self.folder.join(self.count.to_string());
        fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create the folder", &folder, error))?;
        Ok(folder.join(path.file_name().unwrap_or_default()))
    }

    /// Writes the report next to the quarantined objects.
    pub(super) fn write_report(&self, text: &str) {
        if self.count > 0 {
            // Best effort: the caller receives the report as well.
            let _ = fs::write(self.folder.join("report.txt"), text);
        }
    }
}
