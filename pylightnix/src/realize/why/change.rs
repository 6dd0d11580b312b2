//! The differences between two versions of a stage, traced through dependencies to the first changes.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use uuid::Uuid;

use super::code::CodeChange;
use super::stage_version::{Source, StageVersion, changed_defaults};
use crate::Result;
use crate::config::{DRefId, FieldChange, RRefId, reference_in};
use crate::store::{EnvironmentChange, RecordedChoice, environment_changes};

/// The maximum number of stages that are followed.
const MOST: usize = 200;

/// The differences between two versions of one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The earlier version.
    pub old: Version,
    /// The later version.
    pub new: Version,
    /// The differences, at least one.
    pub causes: Vec<Cause>,
    /// What both versions know of the environments of their builds, and differs: the compiler, versions of crates and so on. For
    /// a stage that has to be built it is that of this program.
    pub environment: Vec<EnvironmentChange>,
}

/// A version of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Version {
    /// The derivation.
    pub dref: DRefId,
    /// The realization; `None` for a stage that has to be built.
    pub rref: Option<RRefId>,
}

/// A difference between two versions of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A field of the config.
    Field(FieldChange),
    /// The default of a field that the config omits.
    #[non_exhaustive]
    Default {
        /// The field.
        field: String,
        /// The value before.
        old: Value,
        /// The value now.
        new: Value,
    },
    /// The code of the stage, or of a helper that it uses.
    Code(CodeChange),
    /// A dependency.
    Dependency(DependencyChange),
    /// The stage did not run: its matcher takes another of the realizations that existed before.
    #[non_exhaustive]
    Choice {
        /// The matcher before, if the build record contains it.
        old: Option<String>,
        /// The matcher now, if it is known.
        new: Option<String>,
    },
    /// No difference: the same code gave another result from the same dependencies.
    Nothing,
}

/// A dependency that is another derivation now, or for which another realization was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DependencyChange {
    /// The path of the config field with the dependency, if it is found.
    pub field: Option<String>,
    /// The derivation before.
    pub old: DRefId,
    /// The derivation now.
    pub new: DRefId,
    /// The realizations chosen for it before, sorted.
    pub old_taken: Vec<RRefId>,
    /// The realizations chosen for it now, sorted; empty if it has to be built first.
    pub new_taken: Vec<RRefId>,
    /// The matcher's choice before, if the build record contains it.
    pub old_choice: Option<RecordedChoice>,
    /// The matcher's choice now, if the build record contains it or the plan determines it.
    pub new_choice: Option<RecordedChoice>,
    /// The index in [changes](super::Why::changes) of the reason why the dependency differs. `None` if it cannot be
    /// followed: it belongs to another stage, is no longer in the store, or was chosen in addition to earlier realizations.
    pub change: Option<usize>,
}

/// Returns all changes, that of the stage itself first, and whether some dependencies were not followed because there are
/// too many.
pub(super) fn changes(
    source: &Source<'_>,
    old: StageVersion,
    new: StageVersion,
) -> Result<(Vec<Change>, bool)> {
    let version = StageVersion::version;
    let until = (old.build_id(), new.build_id());
    let mut cut = false;
    let mut known = HashMap::from([((version(&old), version(&new)), Some(0))]);
    let mut waiting = vec![(old, new, None)];
    let mut changes: Vec<Change> = Vec::new();
    while let Some((old, new, taken)) = waiting.get_mut(changes.len()) {
        let pair = (version(old), version(new));
        let taken = taken.take();
        let mut causes = causes(source, old, new, taken)?;
        let environment = environment_changes(&old.environment(), &new.environment());
        for cause in &mut causes {
            let Cause::Dependency(dep) = cause else {
                continue;
            };
            let Some((old, new)) = followed(dep) else {
                continue;
            };
            if let Some(change) = known.get(&(old.clone(), new.clone())) {
                dep.change = *change;
                continue;
            }
            if waiting.len() >= MOST {
                cut = true;
                continue;
            }
            let sides = source.side(&old, until.0)?.zip(source.side(&new, until.1)?);
            dep.change = sides.map(|(old, new)| {
                let taken = chosen(dep, &new, until.0);
                waiting.push((old, new, taken));
                waiting.len() - 1
            });
            known.insert((old, new), dep.change);
        }
        changes.push(Change {
            old: pair.0,
            new: pair.1,
            causes,
            environment,
        });
    }
    Ok((changes, cut))
}

/// Returns the two versions of a dependency to compare.
pub(super) fn followed(dep: &DependencyChange) -> Option<(Version, Version)> {
    if dep.old.name() != dep.new.name() {
        return None;
    }
    let only = |of: &[RRefId], without: &[RRefId]| {
        let mut only = of.iter().filter(|rref| !without.contains(rref));
        only.next().cloned()
    };
    let old = only(&dep.old_taken, &dep.new_taken)?;
    let new = match dep.new_taken.is_empty() {
        true => None,
        false => Some(only(&dep.new_taken, &dep.old_taken)?),
    };
    let version = |dref: &DRefId, rref| Version {
        dref: dref.clone(),
        rref,
    };
    Some((version(&dep.old, Some(old)), version(&dep.new, new)))
}

/// Returns why a consumer got another realization of a dependency in which nothing differs: the matcher changed, or the
/// realization existed already when the consumer was built `before`. Returns `None` if a new run made it.
pub(super) fn chosen(
    dep: &DependencyChange,
    new: &StageVersion,
    before: Option<Uuid>,
) -> Option<Cause> {
    let matcher = |choice: &Option<RecordedChoice>| Some(choice.as_ref()?.matcher.clone());
    let (old, now) = (matcher(&dep.old_choice), matcher(&dep.new_choice));
    let changed = old.is_some() && now.is_some() && old != now;
    let was_there = new.build_id().is_some_and(|built| Some(built) < before);
    (changed || was_there).then_some(Cause::Choice { old, new: now })
}

/// Returns the differences between two versions, without following dependencies. If there are none, returns why the later
/// one is `taken`.
pub(super) fn causes(
    source: &Source<'_>,
    old: &StageVersion,
    new: &StageVersion,
    taken: Option<Cause>,
) -> Result<Vec<Cause>> {
    let mut causes = Vec::new();
    // The dependencies that are other derivations now.
    let mut pairs: BTreeMap<(DRefId, DRefId), String> = BTreeMap::new();
    if old.dref != new.dref {
        for change in old.config.diff(&new.config)? {
            let reference = |text: &Option<String>| reference_in(text.as_ref()?);
            match (reference(&change.old), reference(&change.new)) {
                (Some(old), Some(new)) => {
                    pairs.entry((old, new)).or_insert(change.path);
                }
                _ => causes.push(Cause::Field(with_defaults(change, old, new))),
            }
        }
    }
    for (field, was, is) in changed_defaults(&old.omitted, &new.omitted) {
        causes.push(Cause::Default {
            field: field.to_owned(),
            old: was.clone(),
            new: is.clone(),
        });
    }
    if old.fingerprint != new.fingerprint {
        let change = source
            .code_changes
            .between(source.store, old.code(), new.code())?;
        causes.push(Cause::Code(CodeChange::clone(&change)));
    }
    let changed: BTreeSet<DRefId> = pairs.keys().map(|(_, new)| new.clone()).collect();
    for ((was, is), field) in pairs {
        causes.push(dependency(old, new, was, is, Some(field)));
    }
    for dref in new.config.deps() {
        if !changed.contains(dref)
            && let Some(taken) = old.context.get(dref)
            && new.context.get(dref) != Some(taken)
        {
            let field = new.config.place_of(dref);
            causes.push(dependency(old, new, dref.clone(), dref.clone(), field));
        }
    }
    if causes.is_empty() {
        causes.push(taken.unwrap_or(Cause::Nothing));
    }
    Ok(causes)
}

/// Fills in the default of a field that one side omits.
fn with_defaults(mut change: FieldChange, old: &StageVersion, new: &StageVersion) -> FieldChange {
    let default = |side: &StageVersion| side.omitted.get(&change.path).map(ToString::to_string);
    match (&change.old, &change.new) {
        (None, _) => change.old = default(old),
        (_, None) => change.new = default(new),
        _ => {}
    }
    change
}

fn dependency(
    old: &StageVersion,
    new: &StageVersion,
    was: DRefId,
    is: DRefId,
    field: Option<String>,
) -> Cause {
    let taken = |side: &StageVersion, dref| side.context.get(dref).cloned().unwrap_or_default();
    let choice = |side: &StageVersion, dref| side.choices.get(dref).cloned();
    Cause::Dependency(DependencyChange {
        field,
        old_taken: taken(old, &was),
        new_taken: taken(new, &is),
        old_choice: choice(old, &was),
        new_choice: choice(new, &is),
        old: was,
        new: is,
        change: None,
    })
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Field(change) => change.fmt(f),
            Cause::Default { field, old, new } => {
                write!(f, "default of {field}: {old} -> {new}")
            }
            Cause::Code(change) => change.fmt(f),
            Cause::Dependency(change) => change.fmt(f),
            Cause::Choice { old, new } => f.write_str(&choice_text(old, new)),
            Cause::Nothing => f.write_str(
                "no known difference: the same code gave another result from the same dependencies",
            ),
        }
    }
}

/// Describes the choice of a matcher for a stage that did not run.
pub(super) fn choice_text(old: &Option<String>, new: &Option<String>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old != new => format!("its matcher changed: `{old}` -> `{new}`"),
        (_, Some(same)) => format!("its matcher `{same}` takes another of its results"),
        _ => "its matcher takes another of its results".to_owned(),
    }
}

impl fmt::Display for DependencyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.as_deref().unwrap_or("dependency");
        write!(f, "{field}: ")?;
        match (self.old == self.new, self.new_taken.is_empty()) {
            (false, _) if self.old.name() != self.new.name() => {
                write!(f, "another stage, {} -> {}", self.old, self.new)?;
            }
            (false, _) => write!(f, "another `{}`", self.new.name())?,
            (true, true) => write!(f, "`{}` has to be built", self.new.name())?,
            (true, false) => write!(f, "another result of `{}`", self.new.name())?,
        }
        let counts = (self.old_taken.len(), self.new_taken.len());
        if counts.0 != counts.1 && counts.1 > 0 {
            write!(f, " ({} taken, {} before)", counts.1, counts.0)?;
        }
        let matcher = |choice: &Option<RecordedChoice>| {
            let choice = choice.as_ref()?;
            Some(choice.matcher.clone())
        };
        if let Some((old, new)) = matcher(&self.old_choice).zip(matcher(&self.new_choice))
            && old != new
        {
            write!(f, ", its matcher `{old}` -> `{new}`")?;
        }
        Ok(())
    }
}
