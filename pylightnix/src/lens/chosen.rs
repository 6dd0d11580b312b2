//! The realizations that were chosen for the direct dependencies of a stage.

use std::sync::{Arc, LazyLock};

use super::AnyRRef;
use crate::config::DRefId;

/// For each direct dependency of a stage, what was chosen: its context, with the realizations at hand.
#[derive(Clone)]
pub struct Chosen(Arc<[(DRefId, Arc<[AnyRRef]>)]>);

impl Chosen {
    /// Of a stage without dependencies.
    pub(crate) fn none() -> Self {
        static NONE: LazyLock<Chosen> = LazyLock::new(|| Chosen(Arc::default()));
        NONE.clone()
    }

    /// `deps`, each once and sorted.
    pub(crate) fn new(deps: impl IntoIterator<Item = (DRefId, Arc<[AnyRRef]>)>) -> Self {
        let chosen: Arc<[_]> = deps.into_iter().collect();
        debug_assert!(chosen.is_sorted_by(|a, b| a.0 < b.0));
        Chosen(chosen)
    }

    /// What was chosen for `dref`.
    ///
    /// # Panics
    /// Never for a dependency of the stage: its context names each of them.
    pub(crate) fn of(&self, dref: &DRefId) -> &Arc<[AnyRRef]> {
        match self.0.binary_search_by(|(id, _)| id.cmp(dref)) {
            Ok(at) => &self.0[at].1,
            Err(_) => unreachable!("{dref} is a dependency, and a context names all of them"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(DRefId, Arc<[AnyRRef]>)> {
        self.0.iter()
    }
}
