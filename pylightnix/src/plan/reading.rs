//! What counts as read by a running stage.

/// What counts as read by a running stage, as it says in `#[stage(reads = ..)]`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// What the library sees. A path that is given away leads to all artifacts of its realization.
    #[default]
    Noted,
    /// As before, but the path of an artifact leads to this artifact alone.
    Artifacts,
    /// Everything, seen or not.
    All,
}
