//! Selects stages of a program's plan by names or references.

use std::collections::HashSet;

use crate::exit::{CommandError, CommandResult};
use crate::experiment::Experiment;
use crate::session::Session;
use pylightnix::config::DRefId;
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Titles;

/// The stages that a command line names.
pub(crate) struct Stages {
    /// The selected stages.
    pub(crate) wanted: Vec<AnyDRef>,
    /// For each selected stage, the target or stage that the command line names.
    pub(crate) targets: Vec<String>,
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

impl Stages {
    /// Selects stages by the names of targets, else by the names of stages in the plan of all targets.
    pub(crate) fn of(experiment: &Experiment, words: &[String]) -> CommandResult<Self> {
        let is_target = |word: &String| experiment.names().any(|name| name == word);
        let mut wanted = Vec::new();
        let mut targets: Vec<String> = Vec::new();
        if words.is_empty() {
            wanted = experiment.plan(words)?;
            let first = experiment.names().next().unwrap_or_default();
            targets.resize(wanted.len(), first.to_owned());
        } else if words.iter().all(is_target) {
            for word in words {
                wanted.extend(experiment.plan(std::slice::from_ref(word))?);
                targets.resize(wanted.len(), word.clone());
            }
        } else {
            let names: Vec<String> = experiment.names().map(str::to_owned).collect();
            let whole = Stages::with(experiment.plan(&names)?)?;
            for word in words {
                match is_target(word) {
                    true => wanted.extend(experiment.plan(std::slice::from_ref(word))?),
                    false => wanted.extend(whole.like(word).map_err(|fault| match fault {
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
                    })?),
                }
                targets.resize(wanted.len(), word.clone());
            }
        }
        let stages = Stages::with(wanted)?;
        Ok(Stages { targets, ..stages })
    }

    /// Returns the derivations in the plan of all targets.
    pub(crate) fn planned(experiment: &Experiment) -> CommandResult<HashSet<DRefId>> {
        let names: Vec<String> = experiment.names().map(str::to_owned).collect();
        let stages = Stages::with(experiment.plan(&names)?)?;
        Ok(stages.all().map(|dref| dref.id().clone()).collect())
    }

    fn with(wanted: Vec<AnyDRef>) -> CommandResult<Self> {
        let titles = Titles::of(&wanted)?;
        Ok(Stages {
            wanted,
            targets: Vec::new(),
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

    /// Returns the stages with this name, the stage with this title, or the stage whose reference begins with the word.
    fn like(&self, word: &str) -> CommandResult<Vec<AnyDRef>> {
        let all = || self.all().cloned();
        let is_named = |dref: &AnyDRef| dref.id().name().as_str() == word;
        let named: Vec<_> = all().filter(is_named).collect();
        if !named.is_empty() {
            return Ok(named);
        }
        if let Some((name, _)) = word.split_once([' ', '#']) {
            let of_name = |dref: &AnyDRef| dref.id().name().as_str() == name;
            let mut named = all().filter(of_name);
            if let Some(one) = named.find(|dref| self.title(dref) == word) {
                return Ok(vec![one]);
            }
        }
        let begin = word.strip_prefix("dref:").unwrap_or(word);
        let begins = |dref: &AnyDRef| !begin.is_empty() && dref.id().folder().starts_with(begin);
        let begun: Vec<_> = all().filter(begins).collect();
        match begun.len() {
            1 => Ok(begun),
            0 => {
                let names = self.all().map(|dref| dref.id().name().as_str());
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
                let shown = |dref| format!("\n  {dref:?}  {}", self.title(dref));
                let these: Vec<String> = begun.iter().map(shown).collect();
                let text = format!(
                    "`{word}` is ambiguous; it matches several stages of the plan:{}",
                    these.concat()
                );
                Err(CommandError::Usage(text))
            }
        }
    }
}
