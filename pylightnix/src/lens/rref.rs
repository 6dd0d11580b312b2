//! Realizations, as consumers see them.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::artifact::ArtifactHome;
use super::link::{Chained, Link};
use super::notes::{Look, NotedPlace};
use super::{Artifact, Chosen, Config, Dependency, Failure, Phase, Promise};
use crate::Result;
use crate::config::RRefId;
use crate::store::{BuildKind, BuildRecord, Clock, Realization};

/// The phase of the fields of an [`RRef`].
#[derive(Clone, Copy, Debug)]
pub enum Realized {}

/// The source of the fields of a realization.
#[doc(hidden)]
pub struct RealizedSource {
    home: Arc<ArtifactHome>,
    chosen: Chosen,
}

impl fmt::Debug for RealizedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealizedSource").finish_non_exhaustive()
    }
}

impl Phase for Realized {
    type Dep<D: Dependency> = D::Realized;
    type Artifact<F: 'static, Tag: 'static> = Artifact<F>;
    type Source = RealizedSource;

    fn dep<D: Dependency>(from: &RealizedSource, dep: &D) -> D::Realized {
        dep.resolve(&from.chosen)
    }

    fn artifact<F: 'static, Tag: 'static>(
        from: &RealizedSource,
        promise: &'static Promise,
    ) -> Artifact<F> {
        Artifact::new(from.home.clone(), promise.field, promise.path)
    }
}

/// A realization of the stage of config `C`: an immutable result in a store.
///
/// It dereferences to the fields of the config: `rref.out.load()`, `rref.maxiter`, `rref.ref_params.out.path()`. Access to a
/// field never fails and reads nothing; loading an artifact reads a file and may fail. Plain fields have the values that the
/// config's JSON deserializes to.
///
/// Realizations are compared by their references.
pub struct RRef<C: Config> {
    /// A `RealizedStage<C>`. The type is erased, so that the compiler need not traverse a chain of configs to prove that the
    /// last one is `Send`.
    any: AnyRRef,
    kind: PhantomData<fn() -> C>,
}

pub(crate) struct RealizedStage<C: Config> {
    realization: Realization,
    config: Arc<dyn HasConfig<C>>,
    chosen: Chosen,
    /// The text of the error, if this is a failure. A failure is passed on only as an `AnyRRef`.
    failure: Option<Arc<str>>,
    /// Computed on first use, as `lens` is: there may be many candidates, and most are never used.
    home: OnceLock<Arc<ArtifactHome>>,
    lens: OnceLock<Box<C::Lens<Realized>>>,
}

/// A realization as a running stage gets it: the same, with its place.
struct NotedStage<C: Config> {
    /// A `RealizedStage<C>`.
    of: AnyRRef,
    place: NotedPlace,
    home: OnceLock<Arc<ArtifactHome>>,
    /// Its dependencies and artifacts have places too.
    lens: OnceLock<Box<C::Lens<Realized>>>,
}

/// An owner of a config that several realizations share.
pub(crate) trait HasConfig<C>: Send + Sync {
    /// Returns the config.
    fn config(&self) -> &C;
}

impl<C: Config> RRef<C> {
    /// Makes an `RRef` from a realization that is not a failure.
    pub(crate) fn new(
        realization: Realization,
        config: Arc<dyn HasConfig<C>>,
        chosen: Chosen,
    ) -> Self {
        RRef::of_any(AnyRRef::new(realization, config, chosen, None))
    }

    /// Restores the type. The erased type must be `RealizedStage<C>`.
    fn of_any(any: AnyRRef) -> Self {
        RRef {
            any,
            kind: PhantomData,
        }
    }

    /// Returns the reference of the realization.
    pub fn id(&self) -> &RRefId {
        self.any.id()
    }

    /// Returns the folder of its artifacts. If they are not here, they are fetched, as for [`Artifact::path`].
    pub fn path(&self) -> &Path {
        self.any.path()
    }

    /// Fetches its files, if the store has only its records: see [`Store::fetch`](crate::store::Store::fetch).
    ///
    /// # Errors
    /// As [`Store::fetch`](crate::store::Store::fetch).
    pub fn fetch(&self) -> Result<()> {
        self.any.0.home().fetch()
    }

    /// Returns the builds, imports and acceptances that produced this result, oldest first.
    pub fn builds(&self) -> &[BuildRecord] {
        self.any.look(Look::Reference);
        self.any.realization().builds()
    }

    /// Returns the end time of the newest build of this result; `None` if it was only imported or accepted. Ignores builds
    /// that ended more than an hour after the current time of this machine: see [`BuildRecord::ended`].
    pub fn built_at(&self) -> Option<jiff::Timestamp> {
        self.built_by(Clock::now())
    }

    /// Returns the end time of the newest build, relative to a given reading of the clock.
    pub(crate) fn built_by(&self, clock: Clock) -> Option<jiff::Timestamp> {
        self.any.look(Look::Reference);
        let heads = self.any.realization().builds.heads();
        let builds = heads.filter(|build| build.kind == BuildKind::Build);
        builds.filter_map(|build| build.ended(clock)).max()
    }

    /// Returns the context: the references of the realizations chosen for the direct dependencies.
    pub fn context(&self) -> impl Iterator<Item = &RRefId> {
        self.any.look(Look::Reference);
        self.any.realization().context.realizations()
    }

    /// Erases the type of the config.
    pub fn erase(&self) -> AnyRRef {
        self.any.clone()
    }
}

impl<C: Config> Deref for RRef<C> {
    type Target = C::Lens<Realized>;

    fn deref(&self) -> &Self::Target {
        let Some((stage, noted)) = self.any.typed::<C>() else {
            unreachable!("an `RRef<C>` holds a `RealizedStage<C>`")
        };
        let lens = match noted {
            None => &stage.lens,
            Some(noted) => &noted.lens,
        };
        lens.get_or_init(|| {
            let chosen = &stage.chosen;
            let source = RealizedSource {
                home: self.any.0.home().clone(),
                chosen: match noted {
                    None => chosen.clone(),
                    Some(noted) => chosen.noted(noted.place.clone()),
                },
            };
            Box::new(stage.config.config().lens::<Realized>(&source))
        })
    }
}

impl<C: Config> Clone for RRef<C> {
    fn clone(&self) -> Self {
        RRef::of_any(self.any.clone())
    }
}

impl<C: Config> fmt::Display for RRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl<C: Config> fmt::Debug for RRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl<C: Config> PartialEq for RRef<C> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<C: Config> Eq for RRef<C> {}

impl<C: Config> PartialOrd for RRef<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C: Config> Ord for RRef<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(other.id())
    }
}

impl<C: Config> Hash for RRef<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Hash::hash(self.id(), state);
    }
}

impl<C: Config> AsRef<RRefId> for RRef<C> {
    fn as_ref(&self) -> &RRefId {
        self.id()
    }
}

/// A realization without the type of its config.
#[derive(Clone)]
pub struct AnyRRef(Link<dyn AnyRealized>);

pub(crate) trait AnyRealized: Any + Send + Sync {
    fn realization(&self) -> &Realization;
    fn home(&self) -> &Arc<ArtifactHome>;
    /// Returns what it was made from.
    fn chosen(&self) -> &Chosen;
    fn failure(&self) -> Option<&Arc<str>>;
    /// Returns the place in a running stage.
    fn place(&self) -> Option<&NotedPlace>;
    /// Implements [`AnyRRef::noted`], for the same realization without a place.
    fn noted(&self, of: AnyRRef, place: NotedPlace) -> AnyRRef;
}

impl<C: Config> AnyRealized for RealizedStage<C> {
    fn realization(&self) -> &Realization {
        &self.realization
    }

    fn home(&self) -> &Arc<ArtifactHome> {
        self.home.get_or_init(|| {
            let Realization { id, .. } = &self.realization;
            Arc::new(ArtifactHome {
                rref: id.clone(),
                out: self.realization.out(),
                place: None,
                stub: Some(&self.realization)
                    .filter(|known| known.is_stub())
                    .cloned(),
            })
        })
    }

    fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    fn failure(&self) -> Option<&Arc<str>> {
        self.failure.as_ref()
    }

    fn place(&self) -> Option<&NotedPlace> {
        None
    }

    fn noted(&self, of: AnyRRef, place: NotedPlace) -> AnyRRef {
        let (home, lens) = (OnceLock::new(), OnceLock::new());
        AnyRRef(Link::new(Arc::new(NotedStage::<C> {
            of,
            place,
            home,
            lens,
        })))
    }
}

impl<C: Config> AnyRealized for NotedStage<C> {
    fn realization(&self) -> &Realization {
        self.of.realization()
    }

    fn home(&self) -> &Arc<ArtifactHome> {
        self.home.get_or_init(|| {
            let realization = self.of.realization();
            Arc::new(ArtifactHome {
                rref: realization.id.clone(),
                out: realization.out(),
                place: Some(self.place.clone()),
                stub: self.of.stub(),
            })
        })
    }

    fn chosen(&self) -> &Chosen {
        self.of.chosen()
    }

    fn failure(&self) -> Option<&Arc<str>> {
        self.of.0.failure()
    }

    fn place(&self) -> Option<&NotedPlace> {
        Some(&self.place)
    }

    fn noted(&self, _: AnyRRef, place: NotedPlace) -> AnyRRef {
        self.of.noted(place)
    }
}

impl<C: Config> Chained for NotedStage<C> {
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<C: Config> Chained for RealizedStage<C> {
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Chained for dyn AnyRealized {
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl AnyRRef {
    /// Makes a realization. `failure` is the text of the error, if it is a failure.
    pub(crate) fn new<C: Config>(
        realization: Realization,
        config: Arc<dyn HasConfig<C>>,
        chosen: Chosen,
        failure: Option<Arc<str>>,
    ) -> Self {
        let (home, lens) = (OnceLock::new(), OnceLock::new());
        AnyRRef(Link::new(Arc::new(RealizedStage {
            realization,
            config,
            chosen,
            failure,
            home,
            lens,
        })))
    }

    /// Returns the same realization for a running stage, which notes at what it looks there.
    pub(super) fn noted(&self, place: NotedPlace) -> Self {
        self.0.noted(self.clone(), place)
    }

    pub(super) fn place(&self) -> Option<&NotedPlace> {
        self.0.place()
    }

    fn look(&self, look: Look<'_>) {
        if let Some(place) = self.place() {
            place.look(look);
        }
    }

    /// Notes that it was asked whether this is a failure.
    pub(super) fn look_at_outcome(&self) {
        self.look(Look::Outcome);
    }

    /// Returns the recorded failure, if this is one.
    pub fn failure(&self) -> Option<Failure> {
        self.look_at_outcome();
        let text = self.0.failure()?;
        Some(Failure::new(self.clone(), text.clone()))
    }

    /// Returns the reference of the realization.
    pub fn id(&self) -> &RRefId {
        self.look(Look::Reference);
        &self.0.realization().id
    }

    /// Returns the folder of its artifacts.
    pub fn path(&self) -> &Path {
        self.look(Look::All);
        self.0.home().fetch_for_path();
        self.path_unseen()
    }

    /// Returns the realization if its files may have to be fetched.
    fn stub(&self) -> Option<Realization> {
        Some(self.realization())
            .filter(|known| known.is_stub())
            .cloned()
    }

    pub(super) fn path_unseen(&self) -> &Path {
        &self.0.home().out
    }

    /// Returns the artifact at `path`, relative to the folder of artifacts.
    pub(crate) fn artifact<F>(&self, path: &str) -> Artifact<F> {
        Artifact::new(self.0.home().clone(), path.to_owned(), path)
    }

    pub(crate) fn realization(&self) -> &Realization {
        self.0.realization()
    }

    /// Returns what it was made from.
    pub(crate) fn chosen(&self) -> &Chosen {
        self.0.chosen()
    }

    /// Restores the type, and returns what a running stage has besides.
    fn typed<C: Config>(&self) -> Option<(&RealizedStage<C>, Option<&NotedStage<C>>)> {
        let any: &dyn Any = &*self.0;
        if let Some(stage) = any.downcast_ref() {
            return Some((stage, None));
        }
        let noted: &NotedStage<C> = any.downcast_ref()?;
        let (stage, _) = noted.of.typed()?;
        Some((stage, Some(noted)))
    }

    /// Restores the type. Returns `None` if `C` is not the type of the config, or this is a [`failure`](Self::failure).
    pub fn downcast<C: Config>(&self) -> Option<RRef<C>> {
        self.look_at_outcome();
        self.success_of()
    }

    /// Implements [`downcast`](Self::downcast), for one that is known to be a success, or not.
    pub(crate) fn success_of<C: Config>(&self) -> Option<RRef<C>> {
        let typed = self.typed::<C>();
        let success = typed.filter(|(stage, _)| stage.failure.is_none());
        success.map(|_| RRef::of_any(self.clone()))
    }
}

impl AsRef<RRefId> for AnyRRef {
    fn as_ref(&self) -> &RRefId {
        self.id()
    }
}

impl fmt::Display for AnyRRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl fmt::Debug for AnyRRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}
