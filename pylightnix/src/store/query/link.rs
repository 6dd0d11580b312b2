//! Symbolic links to derivations.

use std::path::Path;

use crate::Result;
use crate::config::DRefId;
use crate::store::Store;

impl Store {
    /// Creates a symbolic link at `path` to the folder of a derivation, which has its config and realizations. Replaces an
    /// existing link into this store atomically. Anything else at `path` is left alone.
    ///
    /// Does not create a root: if garbage collection removes the derivation, the link dangles. To protect a realization, use
    /// [`link`](Self::link). [`unlink`](Self::unlink) removes both kinds of links.
    ///
    /// Fails if the derivation is not in the store, if something other than a link into this store is at `path`, if `path` is
    /// not UTF-8 or lies inside of the store, or if a system call fails.
    pub fn link_derivation(&self, dref: impl AsRef<DRefId>, path: impl AsRef<Path>) -> Result<()> {
        let dref = dref.as_ref();
        self.config(dref)?;
        self.set_link(path.as_ref(), &self.derivation_dir(dref))
    }
}
