//! What a person should know of the code of a plan before it is run.

use crate::Result;
use crate::plan::{AnyDRef, Code, Target};
use crate::realize::decide::earlier::{codes, earlier_results};
use crate::realize::options::Realize;
use crate::realize::report::code_notes::{CodeNotes, UnseenCode, WideCode, WideningItem};

impl Realize<'_> {
    /// Tells what a person should know of the code of a plan: results of earlier versions, code that is not seen, and
    /// stages that reach most of their packages.
    ///
    /// # Errors
    /// Fails if the plan is inconsistent, or if the store cannot be read.
    pub fn code_notes<T: Target + ?Sized>(&self, target: &T) -> Result<CodeNotes> {
        let graph = self.unchecked_graph_of(target)?;
        let mut unseen: Vec<UnseenCode> = codes(&graph)
            .filter_map(|(stage, code)| unseen_of(stage, code))
            .collect();
        unseen.sort_by(|one, two| one.dref.name().cmp(two.dref.name()));
        let mut wide: Vec<WideCode> = codes(&graph)
            .filter_map(|(stage, code)| wide_of(stage, code))
            .collect();
        wide.sort_by(|one, two| one.dref.name().cmp(two.dref.name()));
        Ok(CodeNotes {
            earlier: earlier_results(&self.store, &graph)?,
            unseen,
            wide,
        })
    }
}

fn unseen_of(stage: &AnyDRef, code: &Code) -> Option<UnseenCode> {
    let unseen = code.unseen();
    let what = match code.fallback() {
        Some(why) => format!("only its own text counts: {why}"),
        None if unseen.is_empty() => return None,
        None => format!("not seen: {}", unseen.join(", ")),
    };
    Some(UnseenCode {
        dref: stage.id().clone(),
        what,
    })
}

fn wide_of(stage: &AnyDRef, code: &Code) -> Option<WideCode> {
    let (reached, all, because) = code.breadth()?;
    let because = because.into_iter();
    Some(WideCode {
        dref: stage.id().clone(),
        reached,
        all,
        because: because
            .map(|(name, place, alone)| WideningItem {
                name: name.to_owned(),
                place: place.to_owned(),
                alone,
            })
            .collect(),
    })
}
