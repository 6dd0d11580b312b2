//! What all derivations of a stage have in common.

use std::any::TypeId;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::code::Code;
use super::limits::Limits;
use super::stage::Stage;
use crate::Result;
use crate::config::Name;
use crate::fast_hash::FastMap;

/// What all derivations of a stage have in common, worked out once a process.
pub(super) struct Facts {
    pub(super) name: Name,
    pub(super) code: Arc<Code>,
    pub(super) limits: Arc<Limits>,
}

impl Facts {
    /// Those of the stage of `C`.
    pub(super) fn of<C: Stage>() -> Result<Arc<Self>> {
        static KNOWN: LazyLock<RwLock<FastMap<TypeId, Arc<Facts>>>> =
            LazyLock::new(RwLock::default);
        let of = TypeId::of::<C>();
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.get(&of) {
            return Ok(facts.clone());
        }
        drop(known);
        let facts = Arc::new(Facts {
            name: Name::new(C::NAME)?,
            code: Arc::new(Code::of_stage::<C>()),
            limits: Arc::new(C::limits()),
        });
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(of).or_insert(facts).clone())
    }
}
