//! Conversions from typed references to plain ones.

use std::collections::HashSet;

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::lens::{AnyRRef, Cardinality, Config, Failure, RRef};
use crate::plan::{AnyDRef, DRef};
use crate::store::Reference;

impl<C: Config, Q: Cardinality> Reference for DRef<C, Q> {
    type Id = DRefId;

    fn reference(&self) -> &DRefId {
        self.id()
    }

    fn each_config(&self, visit: &mut dyn FnMut(&ConfigJson)) {
        self.erase().each_config(visit);
    }
}

impl Reference for AnyDRef {
    type Id = DRefId;

    fn reference(&self) -> &DRefId {
        self.id()
    }

    fn each_config(&self, visit: &mut dyn FnMut(&ConfigJson)) {
        let mut seen = HashSet::new();
        // A stage comes twice: before what it depends on, and after it.
        let mut waiting = vec![(self.clone(), false)];
        while let Some((stage, is_after)) = waiting.pop() {
            if is_after {
                visit(stage.config_json());
            } else if seen.insert(stage.id().clone()) {
                waiting.push((stage.clone(), true));
                stage
                    .node()
                    .visit_deps(&mut |dep| waiting.push((dep.clone(), false)));
            }
        }
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

impl Reference for Failure {
    type Id = RRefId;

    fn reference(&self) -> &RRefId {
        self.as_ref()
    }
}
