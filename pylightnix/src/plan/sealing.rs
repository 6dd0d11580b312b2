//! What a sealed stage may reach beside its dependencies.

/// What a sealed stage may reach beside its dependencies, as it says in `#[stage(sealed, ..)]`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    pub(crate) network: bool,
    /// Absolute paths of files, folders and devices.
    pub(crate) read: &'static [&'static str],
}

impl Sealing {
    /// Returns what a stage says.
    pub const fn new(network: bool, read: &'static [&'static str]) -> Self {
        Sealing { network, read }
    }
}
