//! What the values of parameters change in the plan: the plan is made again with the default of each.

use std::collections::BTreeMap;

use crate::exit::CommandResult;
use crate::experiment::{Experiment, MadePlan};
use crate::params::Point;
use pylightnix::experiment::{ParamSources, ResolvedParam, Run};
use pylightnix::internal::ParamEffect;

/// What the values of parameters change, by their keys.
pub(crate) type Effects = BTreeMap<String, ParamEffect>;

/// Returns what each parameter changes that has another value than its default, as far as it can be known: at the first point of a
/// sweep where it has. `looking` makes a run that realizes nothing.
pub(crate) fn effects(
    experiment: &Experiment,
    looking: impl Fn() -> Run<'static>,
    words: &[String],
) -> CommandResult<Effects> {
    let targets = targets(experiment, words);
    let plan = |sources: &ParamSources| -> CommandResult<Option<MadePlan>> {
        let run = looking();
        let mut plan = MadePlan::default();
        for target in &targets {
            plan.append(experiment.plan_with(&run, target, sources.clone())?);
        }
        // What is not decided may be anything.
        Ok(plan.undecided.is_none().then_some(plan))
    };
    let mut effects = Effects::new();
    for point in experiment.points()? {
        let changed: Vec<(&ResolvedParam, ParamSources)> = point
            .resolved
            .changed()
            .filter(|param| !effects.contains_key(&param.param.key))
            .filter_map(|param| Some((param, with_default(point, param)?)))
            .collect();
        if changed.is_empty() {
            continue;
        }
        let Some(whole) = plan(&point.sources)? else {
            break;
        };
        for (param, sources) in changed {
            // With the default there may be no plan.
            if let Ok(Some(other)) = plan(&sources) {
                let effect = ParamEffect::between(&all(&whole), &all(&other))?;
                effects.insert(param.param.key.clone(), effect);
            }
        }
    }
    Ok(effects)
}

/// Returns the sources of a point, with the default of a parameter; `None` if it has none.
fn with_default(point: &Point, param: &ResolvedParam) -> Option<ParamSources> {
    let default = param.param.default.as_ref()?;
    let sources = point.sources.clone();
    Some(sources.set_by("default", &param.param.key, &default.to_string()))
}

/// Returns the targets that the words name, or all if one names a stage.
fn targets<'e>(experiment: &'e Experiment, words: &'e [String]) -> Vec<&'e str> {
    let is_target = |word: &String| experiment.names().any(|name| name == word);
    match words {
        [] => experiment.names().take(1).collect(),
        words if words.iter().all(is_target) => words.iter().map(String::as_str).collect(),
        _ => experiment.names().collect(),
    }
}

fn all(plan: &MadePlan) -> Vec<pylightnix::plan::AnyDRef> {
    plan.asked.iter().chain(&plan.stages).cloned().collect()
}
