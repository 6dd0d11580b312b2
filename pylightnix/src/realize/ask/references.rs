//! Conversions from typed references to plain ones.

use crate::config::{DRefId, RRefId};
use crate::lens::{AnyRRef, Cardinality, Config, RRef};
use crate::plan::{AnyDRef, DRef};
use crate::store::Reference;

impl<C: Config, Q: Cardinality> Reference for DRef<C, Q> {
    type Id = DRefId;

    fn reference(&self) -> &DRefId {
        self.id()
    }
}

impl Reference for AnyDRef {
    type Id = DRefId;

    fn reference(&self) -> &DRefId {
        self.id()
    }
}

impl<C: Config> Reference for RRef<C> {
    type Id = RRefId;

    fn reference(&self) -> &RRefId {
        self.id()
    }
}

impl Reference for AnyRRef {
    type Id = RRefId;

    fn reference(&self) -> &RRefId {
        self.id()
    }
}
