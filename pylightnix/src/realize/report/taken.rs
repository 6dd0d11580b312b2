//! The choice of a matcher.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::DRefId;
use crate::lens::AnyRRef;

/// The realizations that a matcher took, and the number of candidates.
#[derive(Clone)]
pub(in crate::realize) struct Taken {
    pub(in crate::realize) rrefs: Arc<[AnyRRef]>,
    pub(in crate::realize) from: usize,
}

/// The choices that exist before a run begins.
pub(in crate::realize) type AlreadyChosen = HashMap<DRefId, Taken>;
