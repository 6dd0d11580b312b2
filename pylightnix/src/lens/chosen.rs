//! The realizations that were chosen for the direct dependencies of a stage.

use std::sync::{Arc, LazyLock, OnceLock};

use super::AnyRRef;
use crate::config::DRefId;

/// For each direct dependency of a stage, what was chosen: its context, with the realizations at hand.
#[derive(Clone)]
pub struct Chosen(Kind);

/// What was chosen for each of several derivations, which are sorted.
pub(crate) type ChosenList = Arc<[(DRefId, Arc<[AnyRRef]>)]>;

#[derive(Clone)]
enum Kind {
    Now(ChosenList),
    Later(Arc<Later>),
}

/// What nobody asked for yet: of the many stages that a run finds there, few are looked into.
struct Later {
    from: Arc<dyn Choices>,
    at: usize,
    made: OnceLock<ChosenList>,
}

/// What was chosen for the stages of a plan, kept without their realizations.
pub(crate) trait Choices: Send + Sync {
    /// What was chosen for the direct dependencies of the stage at this place.
    fn chosen_for(self: Arc<Self>, at: usize) -> ChosenList;
}

impl Chosen {
    /// Of a stage without dependencies.
    pub(crate) fn none() -> Self {
        static NONE: LazyLock<Chosen> = LazyLock::new(|| Chosen(Kind::Now(Arc::default())));
        NONE.clone()
    }

    /// `deps`, each once and sorted.
    pub(crate) fn new(deps: impl IntoIterator<Item = (DRefId, Arc<[AnyRRef]>)>) -> Self {
        let chosen: ChosenList = deps.into_iter().collect();
        debug_assert!(chosen.is_sorted_by(|a, b| a.0 < b.0));
        Chosen(Kind::Now(chosen))
    }

    /// What `from` says of the stage at this place, when somebody asks.
    pub(crate) fn later(from: Arc<dyn Choices>, at: usize) -> Self {
        let made = OnceLock::new();
        Chosen(Kind::Later(Arc::new(Later { from, at, made })))
    }

    fn list(&self) -> &ChosenList {
        match &self.0 {
            Kind::Now(list) => list,
            Kind::Later(later) => {
                let make = || later.from.clone().chosen_for(later.at);
                later.made.get_or_init(make)
            }
        }
    }

    /// What was chosen for `dref`.
    ///
    /// # Panics
    /// Never for a dependency of the stage: its context names each of them.
    pub(crate) fn of(&self, dref: &DRefId) -> &Arc<[AnyRRef]> {
        let list = self.list();
        match list.binary_search_by(|(id, _)| id.cmp(dref)) {
            Ok(at) => &list[at].1,
            Err(_) => unreachable!("{dref} is a dependency, and a context names all of them"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(DRefId, Arc<[AnyRRef]>)> {
        self.list().iter()
    }
}
