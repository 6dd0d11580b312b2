//! Missing run-time arguments, detected before any stage runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::DRefId;
use crate::plan::{AnyDRef, ArgType, PlanGraph};
use crate::realize::options::Realize;
use crate::realize::report::action::{Action, Foreseen};
use crate::{Error, ErrorKind, Result};

/// The maximum number of stages that a message names.
const NAMED: usize = 5;

/// Returns the types of the arguments that `dref` takes and the run does not give.
pub(in crate::realize) fn missing(options: &Realize<'_>, dref: &AnyDRef) -> Vec<ArgType> {
    let mut args = dref.node().args();
    args.retain(|arg| !options.args.has(arg));
    args
}

/// Returns whether any stage takes an argument that the run does not give.
pub(in crate::realize) fn any_missing(options: &Realize<'_>, graph: &PlanGraph) -> bool {
    graph.any_recipe(|stage| !missing(options, stage).is_empty())
}

/// Fails if a stage that may have to run lacks an argument. A stage that is reused needs no arguments.
pub(in crate::realize) fn check(
    options: &Realize<'_>,
    graph: &PlanGraph,
    foreseen: &[Foreseen],
) -> Result<()> {
    let lacking: Vec<_> = graph
        .drefs()
        .enumerate()
        .map(|(at, stage)| (at, missing(options, stage)))
        .filter(|(_, missing)| !missing.is_empty())
        .collect();
    let runs = |at: usize| {
        matches!(
            foreseen[at].action,
            Action::Build { .. } | Action::Undecided { .. }
        )
    };
    let mut takers: BTreeMap<&str, Vec<&DRefId>> = BTreeMap::new();
    for (at, missing) in lacking.iter().filter(|(at, _)| runs(*at)) {
        for arg in missing {
            let dref = graph.dref(*at).id();
            takers.entry(arg.name()).or_default().push(dref);
        }
    }
    let mut errors: Vec<_> = takers
        .iter()
        .map(|(arg, drefs)| error(options, arg, drefs))
        .collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        several => {
            let message = format!("{several} run-time arguments are missing; nothing was run");
            Err(Error::new(ErrorKind::Argument, message).with_parts(errors))
        }
    }
}

/// Fails if a stage that is about to run lacks an argument. The check at the beginning expected to reuse it, and its result
/// has been removed since.
pub(in crate::realize) fn check_one(options: &Realize<'_>, dref: &AnyDRef) -> Result<()> {
    match missing(options, dref).first() {
        None => Ok(()),
        Some(arg) => Err(error(options, arg.name(), &[dref.id()])),
    }
}

/// Returns a message that names the missing arguments.
pub(in crate::realize) fn why(missing: &[ArgType]) -> String {
    let names: Vec<_> = missing
        .iter()
        .map(|arg| format!("`{}`", arg.name()))
        .collect();
    format!(
        "it takes the run-time argument {}, which is not given: `Realize::new(&store).arg(..)` gives one",
        names.join(" and ")
    )
}

fn error(options: &Realize<'_>, arg: &str, takers: &[&DRefId]) -> Error {
    let names: BTreeSet<_> = takers.iter().map(|dref| dref.name()).collect();
    let (stages, take) = match names.len() {
        1 => ("stage", "takes"),
        _ => ("stages", "take"),
    };
    let named: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let others = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let message = format!(
        "{stages} {}{others} {take} the run-time argument `{arg}`, and the run gives none",
        named.join(", ")
    );
    let given = match options.args.names() {
        none if none.is_empty() => String::new(),
        names => format!(
            ", and of no other type; the run gives {}",
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let mut about: Vec<_> = takers
        .iter()
        .take(NAMED)
        .map(|dref| format!("\nthe derivation is {dref}"))
        .collect();
    if takers.len() > NAMED {
        about.push(format!("\nand {} more", takers.len() - NAMED));
    }
    Error::new(ErrorKind::Argument, message).with_help(format!(
        "give it to the run: `Realize::new(&store).arg(value)` with a value of that type{given}{}",
        about.concat()
    ))
}
