//! The realizations that were chosen for the direct dependencies of a stage.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use super::notes::{Look, NotedPlace};
use super::{AnyRRef, Cardinality};
use crate::config::DRefId;

/// The realizations chosen for each direct dependency of a stage: its context, with loaded realizations.
#[derive(Clone)]
pub struct Chosen(State);

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").finish_non_exhaustive()
    }
}

/// Derivations with the realizations chosen for them, sorted by derivation.
pub(crate) type ChosenList = Arc<[(DRefId, Arc<[AnyRRef]>)]>;

#[derive(Clone)]
enum State {
    Ready(ChosenList),
    Lazy(Arc<Lazy>),
    /// In a running stage, of the stage itself or of what it reached at `place`.
    Noted(Arc<Noted>),
}

/// A list that is loaded on first use: of the many stages that are up to date, few are read.
struct Lazy {
    source: Arc<dyn Choices>,
    stage: usize,
    list: OnceLock<ChosenList>,
}

/// A list whose realizations are handed out with their places.
struct Noted {
    chosen: Chosen,
    place: NotedPlace,
    /// The realizations with their places, for each derivation; made when they are looked at.
    handles: Box<[OnceLock<Arc<[AnyRRef]>>]>,
}

/// The choices for all stages of a plan, without loaded realizations.
pub(crate) trait Choices: Send + Sync {
    /// Loads the realizations chosen for the direct dependencies of the stage with index `at`.
    fn chosen_for(self: Arc<Self>, at: usize) -> ChosenList;
}

impl Chosen {
    /// Returns the empty list, for a stage without dependencies.
    pub(crate) fn none() -> Self {
        static NONE: LazyLock<Chosen> = LazyLock::new(|| Chosen(State::Ready(Arc::default())));
        NONE.clone()
    }

    /// Makes a list from `deps`, which are sorted and have no duplicates.
    pub(crate) fn new(deps: impl IntoIterator<Item = (DRefId, Arc<[AnyRRef]>)>) -> Self {
        let chosen: ChosenList = deps.into_iter().collect();
        debug_assert!(chosen.is_sorted_by(|a, b| a.0 < b.0));
        Chosen(State::Ready(chosen))
    }

    /// Makes a list that is loaded from `source` on first use, for the stage with index `stage`.
    pub(crate) fn lazy(source: Arc<dyn Choices>, stage: usize) -> Self {
        let list = OnceLock::new();
        Chosen(State::Lazy(Arc::new(Lazy {
            source,
            stage,
            list,
        })))
    }

    /// Returns the same list for a running stage, which notes at which realizations it looks. `place` is that of the stage or of
    /// the realization whose dependencies these are.
    pub(crate) fn noted(&self, place: NotedPlace) -> Self {
        Chosen(State::Noted(Arc::new(Noted {
            handles: self.iter().map(|_| OnceLock::new()).collect(),
            chosen: self.clone(),
            place,
        })))
    }

    fn list(&self) -> &ChosenList {
        match &self.0 {
            State::Noted(noted) => noted.chosen.list(),
            State::Ready(list) => list,
            State::Lazy(lazy) => {
                let load = || lazy.source.clone().chosen_for(lazy.stage);
                lazy.list.get_or_init(load)
            }
        }
    }

    /// Returns the realizations chosen for `dref`.
    ///
    /// # Panics
    /// `dref` is not a direct dependency of the stage.
    pub(super) fn of(&self, dref: &DRefId) -> &Arc<[AnyRRef]> {
        let list = self.list();
        let Ok(at) = list.binary_search_by(|(id, _)| id.cmp(dref)) else {
            unreachable!("{dref} is a direct dependency, so its choice is in the list")
        };
        let chosen = &list[at].1;
        match &self.0 {
            State::Ready(_) | State::Lazy(_) => chosen,
            State::Noted(noted) => noted.handles[at].get_or_init(|| {
                let places = chosen.iter().enumerate();
                places
                    .map(|(position, rref)| rref.noted(noted.place.below(dref, position)))
                    .collect()
            }),
        }
    }

    /// Converts the realizations chosen for `dref` into what a consumer's field holds.
    ///
    /// # Panics
    /// `dref` is not a direct dependency of the stage, or its choice does not have the cardinality `Q`.
    pub(crate) fn gather<Q: Cardinality, T: Clone + Send + Sync + 'static>(
        &self,
        dref: &DRefId,
        value: impl FnMut(&AnyRRef) -> T,
    ) -> Q::Of<T> {
        if let State::Noted(noted) = &self.0
            && Q::TAKES.any_number()
        {
            noted.place.look(Look::Number(dref));
        }
        match Q::gather(self.of(dref), value) {
            Some(gathered) => gathered,
            None => unreachable!("the cardinality was checked when {dref} was chosen"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(DRefId, Arc<[AnyRRef]>)> {
        self.list().iter()
    }
}
