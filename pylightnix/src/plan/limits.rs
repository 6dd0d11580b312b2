//! The limits of a stage: resources, time and retries.

use std::collections::BTreeMap;
use std::time::Duration;

/// The resources that a run of a stage needs, its time limit, and its number of retries. They come from `#[stage(..)]` or
/// [`DRef::with_limits`](super::DRef::with_limits), and are not part of the identity.
///
/// ```standalone_crate
/// # use pylightnix::prelude::*;
/// use pylightnix::plan::Limits;
///
/// #[derive(Config)]
/// pub struct Train {
///     pub layers: u64,
/// }
///
/// #[stage(threads = 4, memory = "2GiB", retries = 2, timeout = "3h")]
/// fn train(b: &Build<Train>) -> Result<()> {
///     Ok(())
/// }
///
/// // Large models need more.
/// let limits = Limits::new().threads(4).memory(100 << 30).resource("gpu", 1);
/// let large = instantiate(Train::new(96))?.with_limits(limits);
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) retries: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) threads: u32,
    pub(crate) memory: u64,
    pub(crate) resources: BTreeMap<String, u64>,
}

impl Limits {
    /// Makes limits of one thread, no retries and no time limit.
    pub fn new() -> Self {
        Limits {
            retries: 0,
            timeout: None,
            threads: 1,
            memory: 0,
            resources: BTreeMap::new(),
        }
    }

    /// Returns whether one thread, which every run has, is enough.
    pub(crate) fn needs_one_thread(&self) -> bool {
        self.threads <= 1 && self.memory == 0 && self.resources.is_empty()
    }

    /// Sets the number of retries of a run that fails.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the time limit of each attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the number of threads that a run uses, at least 1.
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Sets the memory that a run needs, in bytes. In a [process of its own](crate::realize::Realize::on) it may use no more.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the amount that a run needs of a resource, which [`Realize::resource`](crate::realize::Realize::resource)
    /// declares.
    pub fn resource(mut self, name: &str, amount: u32) -> Self {
        self.resources.insert(name.to_owned(), amount.into());
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new()
    }
}
