//! The files of builds in the folder of a realization.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::build_record::{BuildFile, BuildRecord};
use crate::{Error, Result};

/// Lists the build records, logs and signatures in the folder of a realization, with their names, in the order of [`BuildFile`].
pub(in crate::store) fn build_files(folder: &Path) -> Result<Vec<(BuildFile, OsString)>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        if let Some(file) = BuildRecord::kind_of(name.as_encoded_bytes()) {
            found.push((file, name));
        }
    }
    found.sort_unstable();
    Ok(found)
}
