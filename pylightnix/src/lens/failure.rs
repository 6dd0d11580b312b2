//! Failures that are results.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AnyRRef;
use crate::config::RRefId;
use crate::store::{BuildKind, BuildRecord, newest_first};

/// The failure of a stage whose failures are results, `#[stage(fallible)]`: what consumers get in place of its `RRef`.
///
/// It is a realization of its own, with the text of the error as its only artifact, and the log of each try beside it.
/// It is an error too: `let run = b.run.clone()?` makes the failure of a dependency that of the stage.
///
/// A failure is what the stage returns as an error. A panic and a broken promise are faults of the program, and a full
/// disk or a broken store are troubles of the machine: these fail the run, as they do for every stage, and nothing is
/// recorded. The failure stands until the code of the stage, its config or what it depends on changes;
/// [`Realize::retry_failed`](crate::realize::Realize::retry_failed) and [`force`](crate::realize::Realize::force) try it
/// again. Where there is a success as well, that is taken.
///
/// ```
/// # use pylightnix::prelude::*;
/// /// One of many settings, of which some do not work.
/// #[derive(Config)]
/// pub struct Setting {
///     #[selfref("loss.json")]
///     pub loss: SelfRef<Json<f64>>,
///     pub rate: f64,
/// }
///
/// #[stage(fallible)]
/// fn setting(b: &Build<Setting>) -> Result<SettingOutputs> {
///     if b.rate > 1. {
///         return Err(format!("it diverged at rate {}", b.rate).into());
///     }
///     Ok(SettingOutputs { loss: b.loss.save(&(1. - b.rate))? })
/// }
///
/// /// The best of those that work.
/// #[derive(Config)]
/// pub struct Best {
///     #[selfref("rate.json")]
///     pub rate: SelfRef<Json<f64>>,
///     #[dref]
///     pub settings: Vec<DRef<Setting, Try<One>>>,
/// }
///
/// #[stage]
/// fn best(b: &Build<Best>) -> Result<BestOutputs> {
///     let mut best = None;
///     for setting in &b.settings {
///         match setting {
///             Ok(setting) => {
///                 let loss = setting.loss.load()?;
///                 if best.is_none_or(|(least, _)| loss < least) {
///                     best = Some((loss, setting.rate));
///                 }
///             }
///             Err(failure) => eprintln!("{failure}"),
///         }
///     }
///     let (_, rate) = best.ok_or("no setting works")?;
///     Ok(BestOutputs { rate: b.rate.save(&rate)? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open_at(folder.path().join("store"))?;
/// let settings: Result<Vec<_>, _> =
///     [0.3, 0.7, 2.].map(|rate| instantiate(Setting::new(rate))).into_iter().collect();
/// let best = store.realize(&instantiate(Best::new(settings?))?)?;
/// assert_eq!(best.rate.load()?, 0.7);
/// assert_eq!(best.settings[2].as_ref().unwrap_err().text(), "it diverged at rate 2");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Failure {
    rref: AnyRRef,
    text: Arc<str>,
}

impl Failure {
    pub(super) fn new(rref: AnyRRef, text: Arc<str>) -> Self {
        Failure { rref, text }
    }

    /// The realization that it is.
    pub fn id(&self) -> &RRefId {
        self.rref.id()
    }

    /// What the stage's error said, with its causes, a line for each.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The folder with the text, as `failure.txt`.
    pub fn path(&self) -> &Path {
        self.rref.path()
    }

    /// The tries that ended in it, oldest first.
    pub fn builds(&self) -> &[BuildRecord] {
        self.rref.realization().builds()
    }

    /// The log of the newest try, where it is if the stage printed anything.
    pub fn log(&self) -> Option<PathBuf> {
        let mut builds = newest_first(self.builds());
        let newest = builds.find(|build| build.kind == BuildKind::Build)?;
        Some(self.rref.realization().folder().join(newest.log_name()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage `{}` failed: {}", self.id().name(), self.text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}, {:?})", self.id(), self.text)
    }
}

impl Error for Failure {}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Failure {}

impl AsRef<RRefId> for Failure {
    fn as_ref(&self) -> &RRefId {
        self.id()
    }
}
