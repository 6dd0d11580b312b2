//! The public door to what publishing is made of. What is behind it lies with its kind, in `publish/`, `known/` and `using/`.

use crate::Result;
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::{BuildLock, BuildRecord, Context, Draft, Published, Realization, Store};

/// The operations that realizing is made of, for tools that make realizations without a stage: importers of other formats,
/// executors, tests. [`Store::plumbing`] returns it.
///
/// An experiment needs none of them: [`Store::realize`] does all of it, in the right order. Each operation here is safe by itself
/// (what it publishes is whole, even while other processes use the store), but nothing checks that a stage would give the same.
///
/// ```
/// use pylightnix::config::ConfigJson;
/// use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
///
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let config = ConfigJson::from_json(r#"{"name": "words", "source": "a colleague"}"#)?;
/// let context = Context::empty(); // it depends on nothing
///
/// let plumbing = store.plumbing();
/// plumbing.use_derivations([config.id()])?; // garbage collection keeps it while this process lives
/// let lock = plumbing.lock_build(config.id(), &context, &mut || eprintln!("another process makes it"))?;
/// if plumbing.candidates(config.id(), &context)?.is_empty() {
///     let mut draft = plumbing.draft()?;
///     std::fs::write(draft.out().join("words.txt"), "to be or not\n")?;
///     let build = BuildRecord::now(BuildKind::Import);
///     draft.publish(&config, &context, Outcome::Ok, &build)?;
/// }
/// drop(lock);
///
/// assert_eq!(store.rrefs_of(config.id())?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plumbing<'a>(&'a Store);

impl Store {
    /// Returns the operations that realizing is made of, for tools that make realizations without a stage.
    pub fn plumbing(&self) -> Plumbing<'_> {
        Plumbing(self)
    }
}

impl Plumbing<'_> {
    /// Records in this process's lease that it uses these derivations. Until the process exits, garbage collection keeps all
    /// their realizations and dependencies. Realizations that are read after this call are safe from removal.
    ///
    /// Realizing, packing, unpacking, copying, publishing and [`Store::realization_as`] call this themselves. The cost is one
    /// small write for all derivations that were not recorded before, and nothing otherwise.
    ///
    /// Returns `false` if this process has no write permission to the store. It can still read, but without protection.
    ///
    /// # Errors
    /// Fails if a system call fails, for example on a full disk.
    pub fn use_derivations<'d>(self, drefs: impl IntoIterator<Item = &'d DRefId>) -> Result<bool> {
        self.0.use_derivations(drefs)
    }

    /// Takes the build lock for `dref` in `context`, which at most one thread of all processes holds. If another thread holds
    /// it, calls `on_wait` once and waits.
    ///
    /// # Errors
    /// Fails if a system call fails, or if this thread already holds the lock or waiting for it would deadlock.
    pub fn lock_build(
        self,
        dref: impl AsRef<DRefId>,
        context: &Context,
        on_wait: &mut dyn FnMut(),
    ) -> Result<BuildLock> {
        self.0.lock_build(dref.as_ref(), context, on_wait)
    }

    /// Returns the realizations of `dref` that were made from `context`, sorted by reference; empty if the derivation is not in
    /// the store. Omits realizations with a missing promised artifact, which earlier versions could publish.
    ///
    /// # Errors
    /// Fails if a record is corrupt, or if a system call fails.
    pub fn candidates(
        self,
        dref: impl AsRef<DRefId>,
        context: &Context,
    ) -> Result<Vec<Realization>> {
        self.0.candidates(dref.as_ref(), context)
    }

    /// Begins a build in a new, empty folder.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn draft(self) -> Result<Draft> {
        self.0.draft()
    }

    /// Adds a derivation to the store. Does nothing if it is there already. [`Draft::publish`] does this itself.
    ///
    /// # Errors
    /// Fails if its folder holds another config, or if a system call fails.
    pub fn add_derivation(self, config: &ConfigJson) -> Result<()> {
        self.0.add_derivation(config)
    }

    /// Adds a build record to a realization, for an import, an acceptance, or another build with the same result.
    ///
    /// # Errors
    /// Fails if the realization is not in the store, or if a system call fails.
    pub fn add_build(
        self,
        rref: impl AsRef<RRefId>,
        build: &BuildRecord,
        log: Option<&[u8]>,
    ) -> Result<()> {
        self.0.add_build(rref.as_ref(), build, log)
    }

    /// Publishes the artifacts of a realization as one made from another context, without running its stage and without reading
    /// them: by reflinks where the file system has them, else by hard links within the store, else by copies. Each of `builds`,
    /// which are builds of `from`, is recorded again, with its log and with a note of whose work it is
    /// ([`BuildRecord::carried`]). The caller vouches that the stage would make the same from that context.
    ///
    /// Nothing in the new realization depends on `from`, which may be removed afterwards. If the same realization exists
    /// already, only the build records are added to it.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Missing`](crate::ErrorKind::Missing) or [`ErrorKind::Store`](crate::ErrorKind::Store) if `from`
    /// is not in the store, is damaged so that it shows without reading its files, is made from `context` already, or breaks a
    /// rule of publication. Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) if a system call fails. Nothing is published then.
    ///
    /// ```
    /// # use pylightnix::config::{ConfigJson, RRefId};
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let table = ConfigJson::from_json(r#"{"name": "table"}"#)?;
    /// # let model = ConfigJson::from_json(&format!(r#"{{"name": "model", "table": "{}"}}"#, table.id()))?;
    /// # let publish = |config: &ConfigJson, context: &Context, text: &str| -> Result<RRefId, Box<dyn std::error::Error>> {
    /// #     let mut draft = store.plumbing().draft()?;
    /// #     std::fs::write(draft.out().join("text"), text)?;
    /// #     Ok(draft.publish(config, context, Outcome::Ok, &BuildRecord::now(BuildKind::Build))?.id)
    /// # };
    /// # let old_table = publish(&table, &Context::empty(), "1 2 3")?;
    /// # let old_model = publish(&model, &[old_table].into_iter().collect(), "6")?;
    /// # let new_table = publish(&table, &Context::empty(), "3 2 1")?;
    /// let old = store.realization(&old_model)?;
    /// let context: Context = [new_table].into_iter().collect();
    /// let builds: Vec<&BuildRecord> = old.builds().iter().collect();
    /// let new = store.plumbing().carry(&old, &context, &builds)?;
    ///
    /// let carried = store.realization(&new.id)?;
    /// assert_eq!(carried.tree, old.tree);
    /// assert_eq!(carried.builds()[0].carried.as_ref().map(|carried| &carried.from), Some(&old_model));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn carry(
        self,
        from: &Realization,
        context: &Context,
        builds: &[&BuildRecord],
    ) -> Result<Published> {
        let config = self.0.config(from.id.dref())?;
        let carried = self.0.carry(&config, from, context, builds)?;
        Ok(carried.published)
    }

    /// Saves the text of a code fingerprint, unless it is saved already. [`Store::code`] returns it.
    ///
    /// # Errors
    /// Fails if the fingerprint is not a valid file name, or if a system call fails.
    pub fn save_code(self, fingerprint: &str, text: &str) -> Result<()> {
        self.0.save_code(fingerprint, text)
    }
}
