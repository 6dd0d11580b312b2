//! Explains why a stage ran, or would run: its differences from the nearest earlier version.
//!
//! The nearest earlier version is the newest earlier build of the same derivation that differs in its code, its context or a
//! changed default. If there is none, it is another derivation with the same name, that with the fewest differing fields,
//! and among several the one that was built last; for a stage of a plan, preferably one that is not in the plan. Only the
//! latest 256 builds and 256 derivations are compared, so that an answer takes milliseconds in a store of any size.
//!
//! [`Realize::explain`](crate::realize::Realize::explain) summarizes this for all stages of a plan, and [`Brief`] for a
//! stage that a run builds.

mod brief;
mod change;
mod code;
mod nearest;
mod planned;
mod remote;
mod show;
mod stage_version;

use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(in crate::realize) use brief::{Briefs, explain};
pub use change::{Cause, Change, DependencyChange, Version};
pub use code::{CodeChange, CodePart};
pub(in crate::realize) use code::{CodeChanges, CodeVersion};
pub use nearest::Nearest;
pub use planned::{Candidate, Standing};
pub use remote::RemoteResults;

use crate::config::{DRefId, RRefId};
use crate::realize::report::carried::CarriedWhy;
pub use crate::realize::report::event::Brief;
use crate::store::{
    BuildRecord, EnvironmentChange, Realization, RecordedChoice, Remark, Store, environment_changes,
};
use crate::{ErrorKind, Result};
use brief::folders;
use nearest::{EarlierBuilds, Namesakes, before};
use stage_version::{Source, StageVersion, made_by};

/// The reason why a stage ran, or would run: see [`Store::why`] and [`Realize::why`](crate::realize::Realize::why).
///
/// Displays everything except the texts of code. Serialization includes those texts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The derivation.
    pub dref: DRefId,
    /// The realization; `None` for a stage that has to be built.
    pub rref: Option<RRefId>,
    /// What a run would do, with the reason; `None` without a plan.
    pub action: Option<String>,
    /// The matcher of the stage with its candidates; `None` without a plan.
    pub choice: Option<StageChoice>,
    /// The newest build of the realization, which is explained; `None` if the stage has to be built, or if there is no build
    /// record.
    #[serde(serialize_with = "short")]
    pub build: Option<BuildRecord>,
    /// The notes and tags of the realization, oldest first.
    pub remarks: Vec<Remark>,
    /// The address of the remote that the realization was taken from; `None` if it was made here, or came in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<String>,
    /// Why it was carried here from another context, if that build was made there and the realization of it is still in the store.
    pub carried: Option<CarriedWhy>,
    /// The earlier results of the same code, config and dependencies, newest first, as far back as the nearest version that
    /// differs.
    pub repeated: Vec<RRefId>,
    /// What differs in the environment since the newest of these: the compiler, versions of crates and so on.
    pub environment: Vec<EnvironmentChange>,
    /// The nearest earlier version, with which this one is compared; `None` if there is none.
    pub nearest: Option<Nearest>,
    /// The differences between the two versions, followed by those of each dependency that differs. Empty without an earlier
    /// version.
    pub changes: Vec<Change>,
    /// Whether there were too many dependencies to follow all of them.
    pub cut: bool,
    /// For each direct dependency, the matcher's choice and the number of candidates. Empty if the build record does not
    /// contain them.
    pub choices: BTreeMap<DRefId, RecordedChoice>,
}

/// The matcher of a stage of a plan, and the realizations that it chooses from.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageChoice {
    /// The matcher, as written in the source.
    pub matcher: String,
    /// All realizations of the derivation, latest first.
    pub candidates: Vec<Candidate>,
}

impl Store {
    /// Explains why a realization was built, by its differences from the nearest earlier version of its stage. Does not need
    /// the types of the stages. [`Realize::why`](crate::realize::Realize::why) is the equivalent for a stage of a plan.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Load { #[selfref("w")] out: SelfRef<Text>, path: String }
    /// # #[stage] fn load(b: &Build<Load>) -> Result<LoadOutputs> { Ok(LoadOutputs { out: b.out.save(&b.path)? }) }
    /// # #[derive(Config)] pub struct Train { #[selfref("n")] out: SelfRef<Json<f64>>, #[dref] data: DRef<Load>, rate: f64 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<TrainOutputs> { Ok(TrainOutputs { out: b.out.save(&b.rate)? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let plan = |path: &str, rate| {
    ///     let load = instantiate(Load::new(path.to_owned()))?;
    ///     instantiate(Train::new(load, rate))
    /// };
    /// store.realize(&plan("a.csv", 0.1)?)?;
    /// let second = store.realize(&plan("b.csv", 0.2)?)?;
    /// let why = store.why(&second)?;
    /// assert_eq!(why.in_short(), "`rate` changed; `path` of `load` changed");
    /// println!("{why}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the realization is not in the store or is corrupt, or if a system call fails. Other corrupt realizations are
    /// ignored.
    pub fn why(&self, rref: impl AsRef<RRefId>) -> Result<Why> {
        let realization = self.realization(rref.as_ref())?;
        let build = made_by(&realization, None).cloned();
        let carried = carried(self, &realization, build.as_ref())?;
        let taken_from = realization.taken_from();
        let new = StageVersion::recorded(self, &realization, build)?;
        let source = Source {
            store: self,
            plan: None,
            code_changes: CodeChanges::default(),
        };
        let why = Why::of(&source, new)?;
        Ok(Why {
            carried,
            taken_from,
            ..why
        })
    }
}

/// Returns why a realization was carried, given its newest build.
fn carried(
    store: &Store,
    realization: &Realization,
    build: Option<&BuildRecord>,
) -> Result<Option<CarriedWhy>> {
    let Some(build) = build else {
        return Ok(None);
    };
    let Some(carried) = &build.carried else {
        return Ok(None);
    };
    match store.realization(&carried.from) {
        Ok(from) => {
            let reads = build.reads.iter();
            let new = &realization.context;
            Ok(Some(CarriedWhy::between(
                reads,
                &from.context,
                new,
                &BTreeSet::new(),
            )))
        }
        Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the notes and tags of a realization, if there is one.
fn remarks(store: &Store, rref: Option<&RRefId>) -> Result<Vec<Remark>> {
    match rref.map(|rref| store.realization(rref)) {
        Some(Ok(realization)) => Ok(realization.remarks()),
        Some(Err(error)) if error.kind() != ErrorKind::Missing => Err(error),
        Some(Err(_)) | None => Ok(Vec::new()),
    }
}

impl Why {
    fn of(source: &Source<'_>, new: StageVersion) -> Result<Self> {
        let EarlierBuilds {
            repeated,
            environment,
            nearest,
        } = before(source.store, &new, || {
            namesakes(source, &new.dref).map(Arc::new)
        })?;
        let build = new.build.clone();
        let choices = build.as_ref().map(|build| build.choices.clone());
        let mut why = Why {
            dref: new.dref.clone(),
            rref: new.rref.clone(),
            action: None,
            choice: None,
            build,
            remarks: remarks(source.store, new.rref.as_ref())?,
            taken_from: None,
            carried: None,
            repeated,
            environment: environment_changes(&environment, &new.environment()),
            nearest: None,
            changes: Vec::new(),
            cut: false,
            choices: choices.unwrap_or_default(),
        };
        if let Some((old, nearest)) = nearest {
            why.nearest = Some(nearest);
            (why.changes, why.cut) = change::changes(source, old, new)?;
        }
        Ok(why)
    }
}

/// Returns the other derivations with the same name. Those of the plan do not count as earlier versions of each other,
/// unless there are no others.
fn namesakes(source: &Source<'_>, dref: &DRefId) -> Result<Namesakes> {
    if let Some((graph, _)) = source.plan {
        let planned = folders(graph);
        let namesakes = Namesakes::of(source.store, dref, |folder| !planned.contains(folder))?;
        if !namesakes.is_empty() {
            return Ok(namesakes);
        }
    }
    Namesakes::of(source.store, dref, |_| true)
}

/// The serialized fields of a build record.
#[derive(Serialize)]
struct ShortBuild<'a> {
    start: String,
    build_seconds: f64,
    host: &'a str,
    user: &'a str,
    command: &'a [String],
}

fn short<S: Serializer>(build: &Option<BuildRecord>, to: S) -> Result<S::Ok, S::Error> {
    let short = build.as_ref().map(|build| ShortBuild {
        start: build.start.to_string(),
        build_seconds: build.seconds(),
        host: &build.host,
        user: &build.user,
        command: &build.command,
    });
    short.serialize(to)
}
