//! What all derivations of a stage have in common.

use std::any::{Any, TypeId};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::node::Way;
use super::stage::Stage;
use crate::Result;
use crate::config::Name;
use crate::fast_hash::FastMap;

/// What all derivations of a stage have in common, worked out once a process.
pub(super) struct Facts<C: Stage> {
    pub(super) name: Name,
    pub(super) way: Arc<Way<C>>,
}

impl<C: Stage> Facts<C> {
    /// Those of the stage of `C`.
    pub(super) fn get() -> Result<Arc<Self>> {
        static KNOWN: LazyLock<RwLock<FastMap<TypeId, Arc<dyn Any + Send + Sync>>>> =
            LazyLock::new(RwLock::default);
        let of = TypeId::of::<C>();
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.get(&of).cloned() {
            drop(known);
            return Ok(Self::typed(facts));
        }
        drop(known);
        let facts = Facts {
            name: Name::new(C::NAME)?,
            way: Arc::new(Way::<C>::own()),
        };
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        let facts = known.entry(of).or_insert_with(|| Arc::new(facts)).clone();
        Ok(Self::typed(facts))
    }

    fn typed(facts: Arc<dyn Any + Send + Sync>) -> Arc<Self> {
        match facts.downcast() {
            Ok(facts) => facts,
            Err(_) => unreachable!("they are kept by the type of the config"),
        }
    }
}
