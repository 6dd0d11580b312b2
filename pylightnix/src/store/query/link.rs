//! Links to derivations.

use std::path::Path;

use crate::Result;
use crate::config::DRefId;
use crate::store::Store;

impl Store {
    /// Makes a symbolic link at `path` to the folder of a derivation, with its config and its realizations. A link of this
    /// store is replaced, in one step; anything else that is at `path` stays.
    ///
    /// It keeps nothing: when garbage collection removes the derivation, the link leads nowhere. To keep a realization,
    /// [`link`](Self::link) it. [`unlink`](Self::unlink) removes links of both sorts.
    ///
    /// # Errors
    /// A derivation that is not in the store, something else at `path`, a path that is not UTF-8 or lies in the store, a
    /// refusal of the system.
    pub fn link_derivation(&self, dref: impl AsRef<DRefId>, path: impl AsRef<Path>) -> Result<()> {
        let dref = dref.as_ref();
        self.config(dref)?;
        self.place_link(path.as_ref(), &self.derivation_dir(dref))
    }
}
