//! Symbolic links to derivations, and links to realizations that are named by what they lead to.

use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

use super::Reference;
use super::reference::sealed::Asked as _;
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::object::realization::Realization;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Creates a symbolic link at `path` to the folder of a derivation, which has its config and realizations. Replaces an
    /// existing link into this store atomically. Anything else at `path` is left alone.
    ///
    /// Does not create a root: if garbage collection removes the derivation, the link dangles. To protect a realization, use
    /// [`link`](Self::link). [`unlink`](Self::unlink) removes both kinds of links.
    ///
    /// A derivation of a plan need not be realized: it is written into the store, with those that it depends on.
    ///
    /// Fails if the derivation is not in the store and is none of a plan, if something other than a link into this store is at `path`, if `path` is
    /// not UTF-8 or lies inside of the store, or if a system call fails.
    pub fn link_derivation<R: Reference<Id = DRefId>>(
        &self,
        dref: R,
        path: impl AsRef<Path>,
    ) -> Result<()> {
        self.write_derivation(&dref)?;
        self.set_link(path.as_ref(), &self.derivation_dir(dref.reference()))
    }

    /// Creates a [`link`](Self::link) to a realization in `folder`, under a name that `pattern` makes, and returns its path. In the pattern
    ///
    /// - `{name}` stands for the name of the derivation,
    /// - `{time}` for when its newest build began, in local time: `2026-11-30_14-05-09`,
    /// - `{number}` for its place among the realizations of its derivation in the store, from 1 for that which began first,
    /// - `{hash}` for the first 8 digits of its hash.
    ///
    /// ```
    /// use pylightnix::prelude::*;
    /// use pylightnix::stages::node;
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("store"))?;
    /// let words = store.realize(&node::<Text>("words", "one two")?)?;
    /// let link = store.link_named(&words, folder.path(), "{name}-{number}")?;
    /// assert!(link.ends_with("words-1") && link.join("content").is_file());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`link`](Self::link); the pattern has something else in braces, or gives no name of a file; or the realization has no build
    /// record, and the pattern has `{time}`.
    pub fn link_named(
        &self,
        rref: impl AsRef<RRefId>,
        folder: impl AsRef<Path>,
        pattern: &str,
    ) -> Result<PathBuf> {
        let rref = rref.as_ref();
        let name = self.link_name(rref, pattern)?;
        if matches!(&*name, "" | "." | "..") || name.contains('/') {
            let message =
                format!("the pattern {pattern:?} gives {name:?}, which is no name of a link");
            return Err(Error::new(ErrorKind::Config, message)
                .with_help("name the folder apart from the pattern"));
        }
        let path = folder.as_ref().join(name);
        self.link(rref, &path)?;
        Ok(path)
    }

    /// Fills in a pattern for the name of a link.
    fn link_name(&self, rref: &RRefId, pattern: &str) -> Result<String> {
        let fault = |problem: &str| {
            let message = format!("the pattern {pattern:?} for the name of a link {problem}");
            Error::new(ErrorKind::Config, message)
                .with_help("it may have `{name}`, `{time}`, `{number}` and `{hash}`")
        };
        let (mut name, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after
                .split_once('}')
                .ok_or_else(|| fault("has a `{` without a `}`"))?;
            name += before;
            name += &match word {
                "name" => rref.name().to_string(),
                "hash" => rref.folder().chars().take(8).collect(),
                "time" => begun(&self.realization(rref)?)?,
                "number" => self.place_by_age(rref)?.to_string(),
                other => {
                    return Err(fault(&format!(
                        "has `{{{other}}}`, which stands for nothing"
                    )));
                }
            };
            rest = after;
        }
        Ok(name + rest)
    }

    /// Returns the place of a realization, from 1, among those of its derivation, the oldest first.
    fn place_by_age(&self, rref: &RRefId) -> Result<usize> {
        let mut all = self.realizations_of(rref.dref())?;
        let first = |one: &Realization| one.builds().iter().map(|build| build.start).min();
        all.sort_by_cached_key(|one| (first(one), one.id.clone()));
        let place = all.iter().position(|one| one.id == *rref);
        Ok(place.map_or(all.len(), |place| place) + 1)
    }

    /// Writes the derivation of a plan into the store, with those that it depends on, unless it is there.
    ///
    /// Fails if it is not there and is none of a plan.
    pub(super) fn write_derivation<R: Reference>(&self, of: &R) -> Result<()> {
        let missing = match self.config(of.reference().derivation()) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Missing => error,
            Err(error) => return Err(error),
        };
        let mut configs = Vec::new();
        of.each_config(&mut |config| configs.push(config.clone()));
        if configs.is_empty() {
            return Err(missing);
        }
        configs
            .iter()
            .try_for_each(|config| self.add_derivation(config))
    }
}

/// Returns when the newest build of a realization began, as a part of a name.
fn begun(realization: &Realization) -> Result<String> {
    let Some(newest) = realization.builds_newest_first().next() else {
        let message = format!("{} has no build record, and so no time", realization.id);
        return Err(
            Error::new(ErrorKind::Missing, message).with_help("leave `{time}` out of the pattern")
        );
    };
    let local = newest.start.to_zoned(TimeZone::system());
    Ok(local.strftime("%Y-%m-%d_%H-%M-%S").to_string())
}
