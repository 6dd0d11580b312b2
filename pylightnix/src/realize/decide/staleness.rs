//! Determines whether a realization was made by today's code.

use crate::lens::Omitted;
use crate::plan::{AnyNode, Code};
use crate::realize::decide::sealed::unsealed;
use crate::realize::decide::trusted::Trusting;
use crate::realize::report::reason::Stale;
use crate::store::{BuildHead, Clock, Realization};

/// Returns why a realization does not count in a run; `None` if it does. With `only_sealed`, what was not made sealed does not, and with
/// `trusting`, what lacks signatures.
pub(in crate::realize) fn staleness_of(
    realization: &Realization,
    node: &dyn AnyNode,
    code: &Code,
    trust_unknown: bool,
    only_sealed: bool,
    trusting: Option<&Trusting>,
) -> Option<Stale> {
    let builds = realization.builds.heads();
    staleness(builds, code, node.omitted(), trust_unknown)
        .or_else(|| only_sealed.then(|| unsealed(node, realization)).flatten())
        .or_else(|| trusting?.lack(realization, node, code, trust_unknown))
}

/// Returns why a realization with these builds is stale; `None` if it is current.
pub(in crate::realize) fn staleness<'a>(
    builds: impl Iterator<Item = BuildHead<'a>>,
    code: &Code,
    omitted: &Omitted,
    trust_unknown: bool,
) -> Option<Stale> {
    let mut known = false;
    let mut changed = None;
    let mut is_timed = false;
    // Builds come oldest first, and the newest one determines the reason. A build ahead of the clock counts as the oldest.
    for build in builds {
        let Some(fingerprint) = build.fingerprint else {
            continue;
        };
        known = true;
        let then = build.omitted();
        let other = changed_default(&then, omitted);
        let why = match other {
            None if fingerprint == code.fingerprint() => return None,
            Some(default) if fingerprint == code.fingerprint() => default,
            _ if fingerprint == Code::by_hand().fingerprint() => Stale::ByHand,
            // Only the stage's own text and its `uses` were compared then, and they are equal.
            None if Some(fingerprint) == code.before() => match trust_unknown {
                true => return None,
                false => Stale::HelpersUnknown,
            },
            _ => {
                let added = omitted.keys().filter(|field| !then.contains_key(*field));
                Stale::Code {
                    was: fingerprint.to_owned(),
                    is: code.fingerprint().to_owned(),
                    added: added.cloned().collect(),
                }
            }
        };
        let this_is_timed = build.ended(Clock::now()).is_some();
        if this_is_timed || !is_timed {
            changed = Some(why);
            is_timed = this_is_timed;
        }
    }
    if known {
        changed
    } else {
        (!trust_unknown).then_some(Stale::Unknown)
    }
}

/// Returns whether a build was made by today's code.
pub(in crate::realize) fn is_current(
    build: &BuildHead<'_>,
    code: &Code,
    omitted: &Omitted,
) -> bool {
    build.fingerprint == Some(code.fingerprint())
        && changed_default(&build.omitted(), omitted).is_none()
}

/// Returns whether it is not known whether a build was made by today's code.
pub(in crate::realize) fn is_unknown(build: &BuildHead<'_>, code: &Code) -> bool {
    build.fingerprint.is_none() || build.fingerprint == code.before()
}

/// Returns an omitted field whose default has changed since the build. A field that the record does not name counts as
/// unchanged.
pub(in crate::realize) fn changed_default(then: &Omitted, omitted: &Omitted) -> Option<Stale> {
    omitted.iter().find_map(|(field, is)| {
        let was = then.get(field).filter(|was| *was != is)?;
        Some(Stale::Default {
            field: field.clone(),
            was: was.clone(),
            is: is.clone(),
        })
    })
}
