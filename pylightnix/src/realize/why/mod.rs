//! Why a stage ran, or would run: what differs from the nearest earlier version of it.
//!
//! The nearest earlier version is, among the builds of the same derivation before this one, the newest that differs in its
//! code, in what it was made from or in a default that changed. If there is none, it is the other derivation of the same
//! name with the fewest fields that differ, and among several of these the one that was built last; of a stage of a plan, one
//! that is not in the plan, if there is any. At most 256 builds and 256 derivations are looked at, the latest ones, so that an
//! answer takes milliseconds in a store of any size.
//!
//! [`Realize::explain`](crate::realize::Realize::explain) says it of all stages of a plan, and [`Brief`] of a stage that a run builds.

mod brief;
mod change;
mod code;
mod nearest;
mod planned;
mod show;
mod side;

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::realize) use brief::{Briefs, explain};
pub use change::{Cause, Change, DependencyChange, Version};
pub use code::{CodeChange, CodePart};
pub use nearest::Nearest;
pub use planned::{Candidate, Standing};

use crate::Result;
use crate::config::{DRefId, RRefId};
pub use crate::realize::report::event::Brief;
use crate::store::{BuildRecord, RecordedChoice, Store};
use brief::folders;
use nearest::{Before, Others, before};
use side::{Side, Source, made_by};

/// Why a stage ran, or would run: see [`Store::why`] and [`Realize::why`](crate::realize::Realize::why).
///
/// As text: all of it but the texts of code. Serialized: the same, for other programs, with those texts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The derivation.
    pub dref: DRefId,
    /// The realization; `None` of a stage that is to be built.
    pub rref: Option<RRefId>,
    /// What a run would do, and why; `None` without a plan.
    pub action: Option<String>,
    /// The candidates of the stage's matcher; `None` without a plan.
    pub choice: Option<StageChoice>,
    /// The build that is asked about, the newest one; `None` if it is to be built, or nothing says who built it.
    #[serde(serialize_with = "short")]
    pub build: Option<BuildRecord>,
    /// The results of the same code, config and dependencies before, newest first, since the nearest version that differs.
    pub repeated: Vec<RRefId>,
    /// How the version was found that this one is compared with; `None` if there is none.
    pub nearest: Option<Nearest>,
    /// How the two differ, and then how each dependency does that differs. Empty if there is nothing to compare with.
    pub changes: Vec<Change>,
    /// Whether there were too many dependencies to follow them all.
    pub cut: bool,
    /// For each direct dependency, what its matcher took, and from how many. Empty if the build does not say.
    pub choices: BTreeMap<DRefId, RecordedChoice>,
}

/// What the matcher of a stage of a plan chooses from.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageChoice {
    /// The matcher, as it is written.
    pub matcher: String,
    /// All realizations of the derivation, the latest first.
    pub candidates: Vec<Candidate>,
}

impl Store {
    /// Why a realization was built: what differs from the nearest earlier version of its stage. The types of the stages
    /// are not needed. [`Realize::why`](crate::realize::Realize::why) says it of a stage of a plan.
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
    /// A realization that is not in the store or is broken, a refusal of the system. Others that are broken are passed over.
    pub fn why(&self, rref: impl AsRef<RRefId>) -> Result<Why> {
        let realization = self.realization(rref.as_ref())?;
        let build = made_by(&realization, None).cloned();
        let new = Side::recorded(self, &realization, build)?;
        let source = Source {
            store: self,
            plan: None,
        };
        Why::of(&source, new)
    }
}

impl Why {
    fn of(source: &Source<'_>, new: Side) -> Result<Self> {
        let Before { repeated, nearest } = before(source.store, &new, || {
            others(source, &new.dref).map(Arc::new)
        })?;
        let build = new.build.clone();
        let choices = build.as_ref().map(|build| build.choices.clone());
        let mut why = Why {
            dref: new.dref.clone(),
            rref: new.rref.clone(),
            action: None,
            choice: None,
            build,
            repeated,
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

/// Returns other derivations of the name. Those of the plan are no earlier versions of each other, unless there are no others.
fn others(source: &Source<'_>, dref: &DRefId) -> Result<Others> {
    if let Some((graph, _)) = source.plan {
        let planned = folders(graph);
        let others = Others::of(source.store, dref, |folder| !planned.contains(folder))?;
        if !others.is_empty() {
            return Ok(others);
        }
    }
    Others::of(source.store, dref, |_| true)
}

/// The fields of a build record that the serialized form has.
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
