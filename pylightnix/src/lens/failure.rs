//! Recorded failures of stages.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AnyRRef;
use super::notes::Look;
use crate::config::RRefId;
use crate::store::{BuildKind, BuildRecord, newest_first};

/// The recorded failure of a stage with `#[stage(fallible)]`, which consumers get instead of an `RRef`.
///
/// A failure is stored as a realization, whose only artifact is the text of the error, with the log of each attempt. It
/// implements `Error`: `let run = b.run.clone()?` passes the failure of a dependency on as the failure of the stage.
///
/// Only an error that the stage returns is recorded. A panic, a broken promise, a full disk and a broken store fail the run,
/// as for every stage. A recorded failure is valid until the code of the stage, its config or its dependencies change;
/// [`Realize::retry_failed`](crate::realize::Realize::retry_failed) and [`force`](crate::realize::Realize::force) run the
/// stage again. A success takes precedence over a failure.
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
/// # let store = Store::open(folder.path().join("store"))?;
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

    /// Returns the reference of the realization that records the failure.
    pub fn id(&self) -> &RRefId {
        self.look(Look::Reference);
        self.id_unseen()
    }

    fn id_unseen(&self) -> &RRefId {
        &self.rref.realization().id
    }

    /// Notes a look, as a handle does. A failure that a stage passes on as its own is also looked at when the stage has ended.
    fn look(&self, look: Look<'_>) {
        if let Some(place) = self.rref.place() {
            place.look_while_running(look);
        }
    }

    /// Returns the message of the stage's error and of its causes, one per line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the folder that holds the text as `failure.txt`.
    pub fn path(&self) -> &Path {
        self.look(Look::All);
        self.rref.path_unseen()
    }

    /// Returns the builds that ended with this failure, oldest first.
    pub fn builds(&self) -> &[BuildRecord] {
        self.look(Look::Reference);
        self.rref.realization().builds()
    }

    /// Returns the path of the newest build's log. The file exists only if the stage wrote to the log.
    pub fn log(&self) -> Option<PathBuf> {
        let mut builds = newest_first(self.builds());
        let newest = builds.find(|build| build.kind == BuildKind::Build)?;
        Some(self.rref.realization().folder().join(newest.log_name()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name says no more than the config does.
        let name = self.id_unseen().name();
        write!(f, "stage `{name}` failed: {}", self.text)
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
