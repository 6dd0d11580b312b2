//! One of the two versions of a stage that are compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

use super::change::Version;
use super::code::{CodeChanges, CodeVersion};
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::lens::Omitted;
use crate::plan::{AnyDRef, Code, PlanGraph};
use crate::realize::decide::context::recorded_choices;
use crate::realize::report::action::Foreseen;
use crate::store::{BuildKind, BuildRecord, Realization, RecordedChoice, Store, newest_first};
use crate::{ErrorKind, Result};

/// A version of a stage: as it was built, or as a plan defines it.
pub(in crate::realize) struct StageVersion {
    pub(super) dref: DRefId,
    pub(super) rref: Option<RRefId>,
    pub(super) config: ConfigJson,
    /// The realizations chosen for each direct dependency, sorted; empty if there is no choice yet.
    pub(super) context: BTreeMap<DRefId, Vec<RRefId>>,
    pub(super) fingerprint: Option<String>,
    /// The code, if this program contains it; otherwise its text may be in the store.
    pub(super) code: Option<Arc<Code>>,
    pub(super) omitted: Omitted,
    /// The matchers' choices, as far as they are known.
    pub(super) choices: BTreeMap<DRefId, RecordedChoice>,
    /// The build to explain.
    pub(super) build: Option<BuildRecord>,
}

impl StageVersion {
    /// Returns a realization as of its newest build that is not after `until`; `None` if it is not in the store.
    pub(super) fn of(store: &Store, rref: &RRefId, until: Option<Uuid>) -> Result<Option<Self>> {
        match store.realization(rref) {
            Ok(realization) => {
                let build = made_by(&realization, until).cloned();
                StageVersion::recorded(store, &realization, build).map(Some)
            }
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a realization as of one of its builds.
    pub(super) fn recorded(
        store: &Store,
        realization: &Realization,
        build: Option<BuildRecord>,
    ) -> Result<Self> {
        let dref = realization.id.dref();
        let context = realization.context.iter();
        let (fingerprint, omitted, choices) = match &build {
            Some(build) => (
                build.fingerprint.clone(),
                build.omitted.clone(),
                build.choices.clone(),
            ),
            None => (None, Omitted::new(), BTreeMap::new()),
        };
        Ok(StageVersion {
            dref: dref.clone(),
            rref: Some(realization.id.clone()),
            config: store.config(dref)?,
            context: context
                .map(|(dref, rrefs)| (dref.clone(), rrefs.to_vec()))
                .collect(),
            fingerprint,
            code: None,
            omitted,
            choices,
            build,
        })
    }

    /// Returns a stage of a plan, with the choices for its dependencies.
    pub(in crate::realize) fn planned(
        stage: &AnyDRef,
        choices: BTreeMap<DRefId, RecordedChoice>,
    ) -> Self {
        let node = stage.node();
        let sorted = |choice: &RecordedChoice| {
            let mut took = choice.took.clone();
            took.sort_unstable();
            took
        };
        let context = choices.iter();
        let context = context.map(|(dref, choice)| (dref.clone(), sorted(choice)));
        let context = context.collect();
        StageVersion {
            dref: stage.id().clone(),
            rref: None,
            config: node.json().clone(),
            context,
            fingerprint: node.code().map(|code| code.fingerprint().to_owned()),
            code: node.code().cloned(),
            omitted: node.omitted().clone(),
            choices,
            build: None,
        }
    }

    pub(super) fn code(&self) -> CodeVersion<'_> {
        CodeVersion {
            fingerprint: self.fingerprint.as_deref(),
            code: self.code.as_deref(),
        }
    }

    pub(super) fn version(&self) -> Version {
        Version {
            dref: self.dref.clone(),
            rref: self.rref.clone(),
        }
    }

    /// Returns what is known of the environment, by name: that of the build, or of this program if it is to be built.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        match (&self.build, &self.code) {
            (Some(build), _) => build.environment_values(),
            (None, Some(code)) => code.environment().values(),
            (None, None) => BTreeMap::new(),
        }
    }

    pub(super) fn build_id(&self) -> Option<Uuid> {
        self.build.as_ref().map(|build| build.id)
    }

    /// Returns whether two versions of one derivation differ only in the result.
    pub(super) fn repeats(&self, other: &StageVersion) -> bool {
        self.fingerprint == other.fingerprint
            && self.context == other.context
            && changed_defaults(&self.omitted, &other.omitted)
                .next()
                .is_none()
    }
}

/// Returns the omitted fields of both sides whose defaults differ. A field that only one side names counts as equal.
pub(super) fn changed_defaults<'a>(
    old: &'a Omitted,
    new: &'a Omitted,
) -> impl Iterator<Item = (&'a str, &'a serde_json::Value, &'a serde_json::Value)> {
    new.iter().filter_map(|(field, is)| {
        let was = old.get(field).filter(|was| *was != is)?;
        Some((field.as_str(), was, is))
    })
}

/// Returns the build to explain: the newest one that is not after `until`, if there is one. A realization that was never
/// built here has an import instead. Builds ahead of this machine's clock come last.
pub(super) fn made_by(realization: &Realization, until: Option<Uuid>) -> Option<&BuildRecord> {
    let in_time = |build: &&BuildRecord| until.is_none_or(|until| build.id <= until);
    let made = |build: &&BuildRecord| build.kind == BuildKind::Build;
    let builds = || newest_first(realization.builds());
    builds()
        .filter(made)
        .find(in_time)
        .or_else(|| builds().find(made))
        .or_else(|| builds().find(in_time))
        .or_else(|| builds().next())
}

/// The store, and the plan that is explained, in which versions are looked up.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) plan: Option<(&'a PlanGraph, &'a [Foreseen])>,
    pub(super) code_changes: CodeChanges,
}

impl Source<'_> {
    /// Returns the stage as a run would build it; `None` if it is not in the plan.
    pub(super) fn planned(&self, dref: &DRefId) -> Option<StageVersion> {
        let (graph, foreseen) = self.plan?;
        let at = graph.place(dref)?;
        let stage = graph.dref(at);
        let choices = recorded_choices(graph, at, |dep| foreseen[dep].taken.as_ref());
        Some(StageVersion::planned(stage, choices))
    }

    /// Returns a version as of its newest build that is not after `until`, or as the plan defines it; `None` if neither
    /// exists.
    pub(super) fn side(
        &self,
        version: &Version,
        until: Option<Uuid>,
    ) -> Result<Option<StageVersion>> {
        match &version.rref {
            Some(rref) => StageVersion::of(self.store, rref, until),
            None => Ok(self.planned(&version.dref)),
        }
    }
}
