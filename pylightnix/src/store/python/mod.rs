//! Stores of the Python package [pylightnix](https://pypi.org/project/pylightnix/), as its version 0.3.0 writes them: import and
//! export.
//!
//! References of derivations are the same in both. Those of realizations are not, as other bytes are hashed: a store of this
//! library hashes every name, mode and link, and has contexts of direct dependencies. An [`Import`] checks each hash of the Python
//! store, and an [`Export`] writes what the package writes to the byte, so that there and back gives the same references and the
//! same files.
//!
//! | in a Python store | here |
//! |---|---|
//! | `context.json`, with everything below | the context: direct dependencies alone |
//! | `__buildstart__.txt`, `__buildstop__.txt` | the times of a build record, in [`BuildRecord::python`](super::BuildRecord::python) also as they are written |
//! | `either_status.txt` | a failure that is a result, with the artifact `failure.txt` |
//! | all other files, folders and links | artifacts |

// Data goes one way: `read` and `tree` read a Python store, `import` publishes what it holds; `export` finds the form that Python
// has for a realization, which is `exportable`, and `folder` and `archive` write it. `contexts`, `hash`, `names` and `times` know
// the package's forms.
mod archive;
mod contexts;
mod export;
mod exportable;
mod folder;
mod hash;
mod import;
mod names;
mod read;
mod report;
mod times;
mod tree;

pub use export::Export;
pub use import::Import;
pub use read::PythonStore;
pub use report::{Exported, ExportedRealization, Imported, ImportedRealization, LeftOut};

use std::path::Path;

use crate::Result;
use crate::config::RRefId;
use crate::store::Store;

impl Store {
    /// Imports a store of the Python package, or an archive of it. See [`Import`] for options, and for what it does.
    ///
    /// # Errors
    /// There is no such store or archive at `from`, it cannot be read, or this store cannot be written.
    pub fn import_python(&self, from: impl AsRef<Path>) -> Result<Imported> {
        Import::new(self).run(&PythonStore::open_for(from, self)?)
    }

    /// Exports realizations, with everything that they were made from, into a store of the Python package, or into an archive if
    /// the name `to` ends in `.zip`. See [`Export::write`].
    ///
    /// # Errors
    /// Fails if a realization is not in the store, if `to` holds other things, or if a system call fails.
    pub fn export_python<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        to: impl AsRef<Path>,
    ) -> Result<Exported> {
        Export::new(self).write(roots, to)
    }
}
