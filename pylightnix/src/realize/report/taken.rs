//! The choice of a matcher.

use std::sync::Arc;

use crate::lens::AnyRRef;

/// The realizations that a matcher took, and the number of candidates.
#[derive(Clone)]
pub(in crate::realize) struct Taken {
    pub(in crate::realize) rrefs: Arc<[AnyRRef]>,
    pub(in crate::realize) from: usize,
}
