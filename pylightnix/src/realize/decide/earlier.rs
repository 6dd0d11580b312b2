//! Results of versions of this library that did not follow what a stage calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::plan::{AnyDRef, Code, PlanGraph};
use crate::realize::report::code_notes::EarlierResults;
use crate::store::{BuildKind, Realization, Store};

/// Returns the code of each stage function in a plan, with one of its derivations.
pub(in crate::realize) fn codes(graph: &PlanGraph) -> impl Iterator<Item = (&AnyDRef, &Code)> {
    // Derivations of a stage share their code: it is told by its address, which stays while the graph is there.
    let mut codes: BTreeMap<*const Code, (&AnyDRef, &Code)> = BTreeMap::new();
    for stage in graph.drefs() {
        if let Some(code) = stage.node().code() {
            codes.entry(&raw const **code).or_insert((stage, code));
        }
    }
    codes.into_values()
}

/// Returns what a store has of such results for a plan; `None` if there are none.
pub(in crate::realize) fn earlier_results(
    store: &Store,
    graph: &PlanGraph,
) -> Result<Option<EarlierResults>> {
    // Those versions kept the text of each fingerprint: without one there is nothing to look for.
    let mut is_there = false;
    for (_, code) in codes(graph) {
        if let Some(before) = code.before() {
            is_there |= store.has_code(before)?;
        }
    }
    if !is_there {
        return Ok(None);
    }
    let mut found = EarlierResults {
        stages: 0,
        took: Duration::ZERO,
    };
    for stage in graph.drefs() {
        let Some((code, before)) = code_and_before(stage) else {
            continue;
        };
        let realizations = store.realizations_of(stage.id())?;
        if !are_earlier(&realizations, code, before) {
            continue;
        }
        let all = realizations.iter().flat_map(Realization::builds);
        let builds = all.filter(|build| build.kind == BuildKind::Build);
        let newest = builds.max_by_key(|build| build.id);
        found.stages += 1;
        let seconds = newest.map_or(0., |build| build.seconds());
        found.took += Duration::try_from_secs_f64(seconds).unwrap_or_default();
    }
    Ok((found.stages > 0).then_some(found))
}

/// Returns the code of a stage, and the fingerprint that such a version gives to it, if that is another.
fn code_and_before(stage: &AnyDRef) -> Option<(&Code, &str)> {
    let code = stage.node().code()?;
    Some((code, code.before()?))
}

/// Returns whether realizations of a stage were made by such a version, and none by today's code. `before` is the fingerprint
/// that such a version gives to the code.
fn are_earlier(realizations: &[Realization], code: &Code, before: &str) -> bool {
    let has = |fingerprint: &str| {
        let mut heads = realizations.iter().flat_map(|it| it.builds.heads());
        heads.any(|build| build.fingerprint == Some(fingerprint))
    };
    has(before) && !has(code.fingerprint())
}

/// Returns whether [`earlier_results`] counts a stage.
pub(in crate::realize) fn has_only_earlier(store: &Store, stage: &AnyDRef) -> Result<bool> {
    let Some((code, before)) = code_and_before(stage) else {
        return Ok(false);
    };
    Ok(are_earlier(
        &store.realizations_of(stage.id())?,
        code,
        before,
    ))
}
