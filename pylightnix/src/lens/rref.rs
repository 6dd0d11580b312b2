//! Realizations, as their consumers see them.

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
use super::{Artifact, Chosen, Config, Dependency, Failure, Phase, Promise};
use crate::config::RRefId;
use crate::store::{BuildKind, BuildRecord, Clock, Realization};

/// The phase of fields reached from an [`RRef`].
#[derive(Clone, Copy, Debug)]
pub enum Realized {}

/// Where the fields of a realization come from.
#[doc(hidden)]
pub struct RealizedSource {
    home: Arc<ArtifactHome>,
    chosen: Chosen,
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
/// It dereferences to the config's fields: `rref.out.load()`, `rref.maxiter`, `rref.ref_params.out.path()`. Looking at
/// a field never fails and reads nothing; loading an artifact does. Plain fields are as the config's JSON gives them back.
///
/// They are equal, and sort, as their references do.
pub struct RRef<C: Config> {
    /// Its `RealizedStage<C>`. The type is forgotten, so that the compiler need not look through a chain of configs to
    /// see that the last one is `Send`.
    any: AnyRRef,
    kind: PhantomData<fn() -> C>,
}

pub(crate) struct RealizedStage<C: Config> {
    realization: Realization,
    config: Arc<dyn HasConfig<C>>,
    chosen: Chosen,
    /// The text of its error, if it is a failure. Then only its type-less form is given away.
    failure: Option<Arc<str>>,
    /// These two are made when they are first looked at: most candidates never are, and there may be many.
    home: OnceLock<Arc<ArtifactHome>>,
    lens: OnceLock<Box<C::Lens<Realized>>>,
}

/// What keeps a config that realizations share.
pub(crate) trait HasConfig<C>: Send + Sync {
    /// The config as its reference says it.
    fn config(&self) -> &C;
}

impl<C: Config> RRef<C> {
    /// With a realization that is no failure.
    pub(crate) fn new(
        realization: Realization,
        config: Arc<dyn HasConfig<C>>,
        chosen: Chosen,
    ) -> Self {
        RRef::of_any(AnyRRef::new(realization, config, chosen, None))
    }

    /// With a stage that holds a `C`.
    fn of_any(any: AnyRRef) -> Self {
        RRef {
            any,
            kind: PhantomData,
        }
    }

    fn stage(&self) -> &RealizedStage<C> {
        match self.any.typed::<C>() {
            Some(stage) => stage,
            None => unreachable!("an `RRef` is made with a stage of its config's type"),
        }
    }

    /// Its reference.
    pub fn id(&self) -> &RRefId {
        self.any.id()
    }

    /// The folder of its artifacts.
    pub fn path(&self) -> &Path {
        self.any.path()
    }

    /// The builds, imports and acceptances that gave this result, oldest first.
    pub fn builds(&self) -> &[BuildRecord] {
        self.any.realization().builds()
    }

    /// When the newest build of this result ended; none if it was only imported or accepted. A build that ended more than an
    /// hour ahead of this machine's clock does not count: see [`BuildRecord::ended`].
    pub fn built_at(&self) -> Option<jiff::Timestamp> {
        self.built_by(Clock::now())
    }

    /// The same by a look at the clock that was taken before.
    pub(crate) fn built_by(&self, clock: Clock) -> Option<jiff::Timestamp> {
        let heads = self.any.realization().builds.heads();
        let builds = heads.filter(|build| build.kind == BuildKind::Build);
        builds.filter_map(|build| build.ended(clock)).max()
    }

    /// What it was made from: the realizations chosen for its direct dependencies, by reference.
    pub fn context(&self) -> impl Iterator<Item = &RRefId> {
        self.any.realization().context.realizations()
    }

    /// Forgets the type.
    pub fn erase(&self) -> AnyRRef {
        self.any.clone()
    }
}

impl<C: Config> Deref for RRef<C> {
    type Target = C::Lens<Realized>;

    fn deref(&self) -> &Self::Target {
        let stage = self.stage();
        stage.lens.get_or_init(|| {
            let source = RealizedSource {
                home: stage.home().clone(),
                chosen: stage.chosen.clone(),
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

/// A realization whose config's type is forgotten.
#[derive(Clone)]
pub struct AnyRRef(Link<dyn AnyRealized>);

pub(crate) trait AnyRealized: Any + Send + Sync {
    fn realization(&self) -> &Realization;
    fn home(&self) -> &Arc<ArtifactHome>;
    fn failure(&self) -> Option<&Arc<str>>;
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
            })
        })
    }

    fn failure(&self) -> Option<&Arc<str>> {
        self.failure.as_ref()
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
    /// `failure` is the text of its error, if it is one.
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

    /// What it is when its stage failed, and the failure is what was recorded.
    pub fn failure(&self) -> Option<Failure> {
        let text = self.0.failure()?;
        Some(Failure::new(self.clone(), text.clone()))
    }

    /// Its reference.
    pub fn id(&self) -> &RRefId {
        &self.0.realization().id
    }

    /// The folder of its artifacts.
    pub fn path(&self) -> &Path {
        &self.0.home().out
    }

    /// The artifact at `path` below its folder.
    pub(crate) fn artifact<F>(&self, path: &str) -> Artifact<F> {
        Artifact::new(self.0.home().clone(), path.to_owned(), path)
    }

    pub(crate) fn realization(&self) -> &Realization {
        self.0.realization()
    }

    fn typed<C: Config>(&self) -> Option<&RealizedStage<C>> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }

    /// The same with its type again, if `C` is its config and it is no [`failure`](Self::failure).
    pub fn downcast<C: Config>(&self) -> Option<RRef<C>> {
        let typed = self.typed::<C>().filter(|stage| stage.failure.is_none());
        typed.map(|_| RRef::of_any(self.clone()))
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
