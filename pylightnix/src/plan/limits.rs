//! What a stage needs of the machine, and how long and how often it may try.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a stage needs of the machine, and how long and how often it may try: what its `#[stage(..)]` says, or a
/// [`DRef::with_limits`](super::DRef::with_limits). No part of any identity.
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
/// // Large ones need more.
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
    /// One thread, one try, and any time.
    pub fn new() -> Self {
        Limits {
            retries: 0,
            timeout: None,
            threads: 1,
            memory: 0,
            resources: BTreeMap::new(),
        }
    }

    /// Whether it needs nothing but one thread, which every run has.
    pub(crate) fn needs_one_thread(&self) -> bool {
        self.threads <= 1 && self.memory == 0 && self.resources.is_empty()
    }

    /// How many times a run that fails is made again.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long each try may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many threads a run keeps busy; at least 1.
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many bytes of memory a run needs.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// How much a run needs of something that [`Realize::resource`](crate::realize::Realize::resource) declares.
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
