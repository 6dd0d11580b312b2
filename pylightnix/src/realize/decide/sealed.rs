//! Determines whether a realization was made by a sealed run of today's code.

use std::collections::BTreeSet;

use crate::plan::{AnyNode, Code};
use crate::realize::report::reason::Stale;
use crate::store::{BuildKind, BuildRecord, Realization};

/// Returns that a current realization of a stage is stale if it was not made sealed. What the library's own stages read is in their
/// configs, so they count as sealed.
pub(in crate::realize) fn unsealed(node: &dyn AnyNode, realization: &Realization) -> Option<Stale> {
    let code = node.code()?;
    let counts = !node.leaves_the_process() || made_sealed(realization.builds(), code);
    (!counts).then_some(Stale::Unsealed)
}

/// Returns whether one of these builds was a sealed run of today's code, or of code that was accepted for it.
pub(in crate::realize) fn made_sealed(builds: &[BuildRecord], code: &Code) -> bool {
    let mut counts = BTreeSet::from([code.fingerprint()]);
    // Code may have been accepted for code that was accepted.
    loop {
        let before = counts.len();
        for build in builds {
            if build.kind == BuildKind::Accept
                && let (Some(is), Some(was)) = (&build.fingerprint, &build.accepted)
                && counts.contains(&**is)
            {
                counts.insert(was);
            }
        }
        if counts.len() == before {
            break;
        }
    }
    let counts = |build: &BuildRecord| match build.fingerprint.as_deref() {
        Some(fingerprint) => counts.contains(fingerprint),
        None => false,
    };
    builds.iter().any(|build| build.sealed && counts(build))
}
