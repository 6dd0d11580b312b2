//! The realizations that were chosen for the direct dependencies of a stage.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use super::AnyRRef;
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
}

/// A list that is loaded on first use: of the many stages that are up to date, few are read.
struct Lazy {
    source: Arc<dyn Choices>,
    stage: usize,
    list: OnceLock<ChosenList>,
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

    fn list(&self) -> &ChosenList {
        match &self.0 {
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
    pub(crate) fn of(&self, dref: &DRefId) -> &Arc<[AnyRRef]> {
        let list = self.list();
        match list.binary_search_by(|(id, _)| id.cmp(dref)) {
            Ok(at) => &list[at].1,
            Err(_) => unreachable!("{dref} is a direct dependency, so its choice is in the list"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(DRefId, Arc<[AnyRRef]>)> {
        self.list().iter()
    }
}
