//! Realizations that matchers require, as `exact(rref)` does: checked before any stage runs rather than hours later.

use std::collections::HashMap;

use crate::config::RRefId;
use crate::plan::{AnyDRef, PlanGraph};
use crate::realize::decide::staleness::staleness_of;
use crate::realize::options::Realize;
use crate::store::Outcome;
use crate::{ErrorKind, Result};

/// Returns the stages that cannot be realized whatever their dependencies give, each with the reason.
pub(in crate::realize) fn refused(
    options: &Realize<'_>,
    graph: &PlanGraph,
) -> Result<HashMap<usize, String>> {
    let mut refused = HashMap::new();
    if !graph.any_recipe(|stage| !stage.node().needs().is_empty()) {
        return Ok(refused);
    }
    for (at, stage) in graph.drefs().enumerate() {
        for id in stage.node().needs() {
            if let Some(why) = unusable(options, stage, id)? {
                refused.insert(at, why);
                break;
            }
        }
    }
    Ok(refused)
}

/// Returns the reason why the matcher of `dref` cannot choose `id`, or `None` if it can.
fn unusable(options: &Realize<'_>, dref: &AnyDRef, id: &RRefId) -> Result<Option<String>> {
    let store = &options.store;
    if id.dref() != dref.id() {
        return Ok(Some(format!(
            "its matcher insists on {id}, which is of another derivation; this one is {dref}"
        )));
    }
    let realization = match store.realization(id) {
        Ok(realization) => realization,
        Err(error) if error.kind() == ErrorKind::Missing => {
            let there = store.rrefs_of(dref.id())?;
            let list: Vec<_> = there.iter().map(|rref| format!("\n{rref}")).collect();
            let list = match list.is_empty() {
                true => " (none)".to_owned(),
                false => list.concat(),
            };
            return Ok(Some(format!(
                "its matcher insists on {id}, which is not in the store at {}: unpack it into this store, or choose one of \
                 those that are there:{list}",
                store.root().display()
            )));
        }
        Err(error) => return Err(error),
    };
    if realization.outcome != Outcome::Ok {
        return Ok(Some(format!(
            "its matcher insists on {id}, which is a failure that was recorded"
        )));
    }
    let node = dref.node();
    let (trust_unknown, only_sealed) = (options.trust_unknown, options.only_sealed);
    let trusting = options.trusting();
    let stale = node.code().and_then(|code| {
        staleness_of(
            &realization,
            node,
            code,
            trust_unknown,
            only_sealed,
            trusting,
        )
    });
    Ok(stale.map(|why| {
        format!("its matcher insists on {id}, which is stale ({why}): accept it, or choose another")
    }))
}
