//! The titles of the stages of a plan.

use std::fmt;
use std::sync::Arc;

use crate::Result;
use crate::config::DRefId;
use crate::plan::{AnyDRef, PlanGraph, Target};

/// The maximum number of stages that a message names; others are only counted.
const NAMED: usize = 3;

/// The titles of the stages of a plan: their names, with the differing fields if several stages have the same name. The
/// differing fields are computed on first use.
///
/// ```standalone_crate
/// # use pylightnix::plan::sweep;
/// # use pylightnix::prelude::*;
/// # #[derive(Config)] struct Train { rate: f64 }
/// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// let runs = sweep([0.1, 0.5], Train::new)?;
/// let plan = store.plan(&runs)?;
/// assert_eq!(plan.titles().title(&runs[0]), "train rate=0.1");
/// assert_eq!(plan.titles().label(&runs[1]).as_deref(), Some("rate=0.5"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Titles(Arc<PlanGraph>);

impl Titles {
    pub(in crate::realize) fn of_graph(graph: &Arc<PlanGraph>) -> Self {
        Titles(graph.clone())
    }

    /// Returns the titles of the stages in the plan of a target. Does no I/O.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// use pylightnix::realize::Titles;
    /// # #[derive(Config)] struct Data {}
    /// # #[stage] fn data(b: &Build<Data>) -> Result<()> { Ok(()) }
    /// # #[derive(Config)] struct Train { #[dref] data: DRef<Data>, rate: f64 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// let data = instantiate(Data::new())?;
    /// let runs = [instantiate(Train::new(data.clone(), 0.1))?, instantiate(Train::new(data, 0.5))?];
    /// let titles = Titles::of(&runs)?;
    /// let all: Vec<String> = titles.stages().map(|stage| titles.title(stage)).collect();
    /// assert_eq!(all, ["data", "train rate=0.1", "train rate=0.5"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the plan contradicts itself.
    pub fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        Ok(Titles(Arc::new(PlanGraph::of(target)?)))
    }

    /// Iterates over the stages of the plan, dependencies first.
    pub fn stages(&self) -> impl Iterator<Item = &AnyDRef> {
        self.0.drefs()
    }

    /// Returns the name of a stage with its label, if it has one: `train rate=0.1`.
    pub fn title(&self, dref: impl AsRef<DRefId>) -> String {
        self.0.titled(dref.as_ref()).to_string()
    }

    /// Returns the label that distinguishes a stage from others of the same name: `rate=0.1`. Returns `None` if the name is
    /// unique.
    pub fn label(&self, dref: impl AsRef<DRefId>) -> Option<String> {
        self.0.label(dref.as_ref())
    }

    /// Formats `x, y and 3 more are known`: the titles of the first three derivations, each between quotes, and the number
    /// of others.
    pub(crate) fn until(&self, drefs: &[DRefId], quote: &str) -> String {
        let quoted = |dref| format!("{quote}{}{quote}", self.title(dref));
        let mut words: Vec<_> = drefs.iter().take(NAMED).map(quoted).collect();
        let others = drefs.len().saturating_sub(NAMED);
        if others > 0 {
            words.push(format!("{others} more"));
        }
        match words.split_last() {
            Some((last, first)) if !first.is_empty() => {
                format!("{} and {last} are known", first.join(", "))
            }
            _ => format!("{} is known", words.concat()),
        }
    }
}

impl fmt::Debug for Titles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Titles({} stages)", self.0.len())
    }
}
