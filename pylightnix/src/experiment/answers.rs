//! What a run gave to the function that made its plan.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::config::{DRefId, RRefId};

/// What a run gave to the functions that made its plan: for each target, the answers in order.
/// [`Run::again`](super::Run::again) makes the same plan of it, in another process too.
///
/// ```standalone_crate
/// use pylightnix::experiment::Answers;
/// use pylightnix::prelude::*;
/// # #[derive(Config)] struct Count { #[selfref("n.json")] n: SelfRef<Json<u64>> }
/// # #[stage] fn count(b: &Build<Count>) -> Result<CountOutputs> { Ok(CountOutputs { n: b.n.save(&2)? }) }
///
/// fn experiment(run: &Run<'_>) -> Result<u64> {
///     Ok(run.realize(&instantiate(Count::new())?)?.n.load()?)
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let run = Run::new(Realize::new(&store));
/// assert_eq!(experiment(&run)?, 2);
/// let text = serde_json::to_string(&run.answers())?;
///
/// let answers: Answers = serde_json::from_str(&text)?;
/// assert_eq!(experiment(&Run::again(Realize::new(&store), answers))?, 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(BTreeMap<String, Vec<Answer>>);

/// An answer of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "asked", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Answer {
    /// For the results of a target.
    Realize {
        /// What was chosen for each stage of the target, in its order.
        chosen: Vec<ChosenFor>,
    },
    /// For a file or a folder of this machine.
    File {
        /// The path, as the experiment wrote it.
        path: String,
        /// The canonical path; of a file that keeps its name, up to that name.
        source: String,
        /// The tree digest of the contents.
        tree: String,
        /// Whether it is a file that keeps its name.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        named: bool,
    },
    /// For the parameters of the experiment.
    Params {
        /// The values, by the keys of the parameters.
        values: BTreeMap<String, serde_json::Value>,
    },
}

/// The realizations that were chosen for a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChosenFor {
    /// The derivation.
    pub dref: DRefId,
    /// The realizations.
    pub rrefs: Vec<RRefId>,
}

impl Answers {
    /// Returns the answers for a target, in the order of the questions. The target of a program without several has an empty name.
    pub fn of(&self, target: &str) -> &[Answer] {
        self.0.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    /// Iterates over the names of the targets that asked.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds the answer to the next question for a target.
    pub fn push(&mut self, target: &str, answer: Answer) {
        self.0.entry(target.to_owned()).or_default().push(answer);
    }
}

impl Answer {
    /// Returns what was asked, for messages.
    pub(super) fn question(&self) -> String {
        match self {
            Answer::Realize { chosen } => {
                let names = chosen
                    .iter()
                    .map(|chosen| format!("`{}`", chosen.dref.name()));
                let mut names: Vec<_> = names.take(3).collect();
                if chosen.len() > names.len() {
                    names.push(format!("{} more", chosen.len() - names.len()));
                }
                match names.is_empty() {
                    true => "the results of nothing".to_owned(),
                    false => format!("the results of {}", names.join(", ")),
                }
            }
            Answer::File { path, .. } => format!("the file {path}"),
            Answer::Params { .. } => "the parameters".to_owned(),
        }
    }
}
