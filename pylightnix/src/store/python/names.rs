//! The names of files and folders in a Python store.

/// The folder for what is being written, below the root.
pub(super) const TMP: &str = "tmp";
/// The config of a derivation.
pub(super) const CONFIG: &str = "config.json";

// The files of a realization that are no artifacts, all at its top.

/// From what it was made.
pub(super) const CONTEXT: &str = "context.json";
/// When its build began.
pub(super) const START: &str = "__buildstart__.txt";
/// When its build ended.
pub(super) const STOP: &str = "__buildstop__.txt";
/// Reserved by the package.
pub(super) const GROUP: &str = "group.json";
/// The text of a failure that is a result.
pub(super) const STATUS: &str = "either_status.txt";

/// The artifact of this library that has the text of a failure.
pub(super) const FAILURE: &str = "failure.txt";

/// Whether a file at the top of a realization's folder is no artifact.
pub(super) fn is_note(path: &str) -> bool {
    matches!(path, CONTEXT | START | STOP)
}

/// Whether the hash of a realization passes over a file or a link.
pub(super) fn is_unhashed(path: &str) -> bool {
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    name.starts_with('_')
}
