//! The properties that all derivations of a stage share.

use rustc_hash::FxHashMap;
use std::any::{Any, TypeId};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::node::Recipe;
use super::stage::Stage;
use crate::Result;
use crate::config::Name;

/// The properties that all derivations of a stage share, computed once per process.
pub(super) struct StageInfo<C: Stage> {
    pub(super) name: Name,
    pub(super) recipe: Arc<Recipe<C>>,
}

impl<C: Stage> StageInfo<C> {
    /// Returns the properties of the stage of `C`.
    pub(super) fn get() -> Result<Arc<Self>> {
        static KNOWN: LazyLock<RwLock<FxHashMap<TypeId, Arc<dyn Any + Send + Sync>>>> =
            LazyLock::new(RwLock::default);
        let of = TypeId::of::<C>();
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(info) = known.get(&of).cloned() {
            drop(known);
            return Ok(Self::typed(info));
        }
        drop(known);
        let info = StageInfo {
            name: Name::new(C::NAME)?,
            recipe: Arc::new(Recipe::<C>::of_stage()),
        };
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        let info = known.entry(of).or_insert_with(|| Arc::new(info)).clone();
        Ok(Self::typed(info))
    }

    fn typed(info: Arc<dyn Any + Send + Sync>) -> Arc<Self> {
        match info.downcast() {
            Ok(info) => info,
            Err(_) => unreachable!("the key is the type of the config"),
        }
    }
}
