//! Selects stages of a program's plan by names or references.

use std::collections::HashSet;

use crate::exit::{CommandError, CommandResult};
use crate::experiment::{Experiment, MadePlan};
use crate::session::Session;
use pylightnix::Error;
use pylightnix::config::DRefId;
use pylightnix::experiment::{ResolvedParams, Run};
use pylightnix::plan::AnyDRef;
use pylightnix::realize::{Realize, Titles};
use pylightnix::store::Store;

/// The stages that a command line names.
pub(crate) struct Stages {
    /// The selected stages; none of a target that is not decided.
    pub(crate) wanted: Vec<AnyDRef>,
    /// For each selected stage, the target or stage that the command line names; a target with the label of a point of a sweep.
    pub(crate) targets: Vec<String>,
    /// The parameters of each target that asked for them.
    pub(crate) params: Vec<(String, ResolvedParams)>,
    /// The stages that were asked for while the plan was made, and then the selected ones.
    pub(crate) whole: Vec<AnyDRef>,
    /// Why the plan is not decided.
    pub(crate) undecided: Option<Error>,
    titles: Titles,
}

/// Returns the experiment of the program.
pub(crate) fn experiment_of(session: &Session) -> CommandResult<&Experiment> {
    session.experiment().ok_or_else(|| {
        CommandError::Usage(
            "this program has no plan: only a program with an experiment can do that".to_owned(),
        )
    })
}

/// Returns a run that realizes nothing, to make a plan with.
pub(crate) fn looking(experiment: &Experiment, store: &Store, trust_unknown: bool) -> Run<'static> {
    looking_with(experiment, store, |run| match trust_unknown {
        true => run.trust_unknown(),
        false => run,
    })
}

/// Returns such a run with further options.
pub(crate) fn looking_with(
    experiment: &Experiment,
    store: &Store,
    set: impl FnOnce(Realize<'static>) -> Realize<'static>,
) -> Run<'static> {
    Run::looking(set(experiment.configured(Realize::new(store))))
}

impl Stages {
    /// Selects stages by the names of targets, else by the names of stages in the plan of all targets.
    pub(crate) fn of(
        experiment: &Experiment,
        run: &Run<'static>,
        words: &[String],
    ) -> CommandResult<Self> {
        let is_target = |word: &String| experiment.names().any(|name| name == word);
        if words.is_empty() || words.iter().all(is_target) {
            return Stages::with(experiment.plan(run, words)?);
        }
        let names: Vec<String> = experiment.names().map(str::to_owned).collect();
        let mut all = experiment.plan(run, &names)?;
        let whole = Stages::with(MadePlan {
            stages: std::mem::take(&mut all.stages),
            asked: all.asked.clone(),
            ..MadePlan::default()
        })?;
        all.targets.clear();
        for word in words {
            match is_target(word) {
                true => all.append(experiment.plan(run, std::slice::from_ref(word))?),
                false => {
                    let like = whole.like(word).map_err(|fault| match fault {
                        CommandError::Usage(text) => {
                            let there = names.iter().filter(|name| !name.is_empty());
                            let there: Vec<_> = there.map(String::as_str).collect();
                            match there.is_empty() {
                                true => CommandError::Usage(text),
                                false => CommandError::Usage(format!(
                                    "{text}\n  and the targets are: {}",
                                    there.join(", ")
                                )),
                            }
                        }
                        fault => fault,
                    })?;
                    all.stages.extend(like);
                    all.targets.resize(all.stages.len(), word.clone());
                }
            }
        }
        Stages::with(all)
    }

    /// Returns the derivations in the plan of all targets, which has to be decided.
    pub(crate) fn planned(
        experiment: &Experiment,
        run: &Run<'static>,
    ) -> CommandResult<HashSet<DRefId>> {
        let names: Vec<String> = experiment.names().map(str::to_owned).collect();
        let stages = Stages::with(experiment.plan(run, &names)?)?;
        match stages.undecided {
            Some(error) => Err(CommandError::Error(error)),
            None => Ok(stages.all().map(|dref| dref.id().clone()).collect()),
        }
    }

    fn with(plan: MadePlan) -> CommandResult<Self> {
        let MadePlan {
            stages,
            targets,
            params,
            mut asked,
            undecided,
        } = plan;
        asked.extend(stages.iter().cloned());
        let mut seen = HashSet::new();
        asked.retain(|stage| seen.insert(stage.id().clone()));
        let titles = Titles::of(&asked)?;
        Ok(Stages {
            wanted: stages,
            targets,
            params,
            whole: asked,
            undecided,
            titles,
        })
    }

    /// Returns all stages of the plan, dependencies first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &AnyDRef> {
        self.titles.stages()
    }

    /// Returns the label that distinguishes a stage from others with its name.
    pub(crate) fn label(&self, dref: &DRefId) -> Option<String> {
        self.titles.label(dref)
    }

    /// Returns the title of a stage, which is unique among stages with its name.
    pub(crate) fn title(&self, dref: impl AsRef<DRefId>) -> String {
        self.titles.title(dref)
    }

    /// Returns the stages that these words name, in the order of the plan.
    pub(crate) fn named(&self, words: &[String]) -> CommandResult<Vec<AnyDRef>> {
        let mut found: Vec<AnyDRef> = Vec::new();
        for word in words {
            for stage in self.like(word)? {
                if !found.iter().any(|other| other.id() == stage.id()) {
                    found.push(stage);
                }
            }
        }
        Ok(found)
    }

    fn like(&self, word: &str) -> CommandResult<Vec<AnyDRef>> {
        like(&self.titles, word)
    }
}

/// Returns the stages with this name, the stage with this title, or the stage whose reference begins with the word.
pub(crate) fn like(titles: &Titles, word: &str) -> CommandResult<Vec<AnyDRef>> {
    let all = || titles.stages().cloned();
    let is_named = |dref: &AnyDRef| dref.id().name().as_str() == word;
    let named: Vec<_> = all().filter(is_named).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    if let Some((name, _)) = word.split_once([' ', '#']) {
        let of_name = |dref: &AnyDRef| dref.id().name().as_str() == name;
        let mut named = all().filter(of_name);
        if let Some(one) = named.find(|dref| titles.title(dref) == word) {
            return Ok(vec![one]);
        }
    }
    let begin = word.strip_prefix("dref:").unwrap_or(word);
    let begins = |dref: &AnyDRef| !begin.is_empty() && dref.id().folder().starts_with(begin);
    let begun: Vec<_> = all().filter(begins).collect();
    match begun.len() {
        1 => Ok(begun),
        0 => {
            let names = titles.stages().map(|dref| dref.id().name().as_str());
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            names.dedup();
            let text = format!(
                "the plan has no stage `{word}`\n  help: its stages are: {}",
                names.join(", ")
            );
            Err(CommandError::Usage(text))
        }
        _ => {
            let shown = |dref| format!("\n  {dref:?}  {}", titles.title(dref));
            let these: Vec<String> = begun.iter().map(shown).collect();
            let text = format!(
                "`{word}` is ambiguous; it matches several stages of the plan:{}",
                these.concat()
            );
            Err(CommandError::Usage(text))
        }
    }
}
