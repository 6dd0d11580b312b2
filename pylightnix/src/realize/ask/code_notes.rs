//! What a person should know of the code of a plan before it is run.

use crate::Result;
use crate::plan::{AnyDRef, Code, PlanGraph, Target};
use crate::realize::decide::earlier::{codes, earlier_results};
use crate::realize::options::Realize;
use crate::realize::report::code_notes::{CodeNotes, UnseenCode};

impl Realize<'_> {
    /// Tells what a person should know of the code of a plan: results of earlier versions, and code that is not seen.
    ///
    /// # Errors
    /// Fails if the plan is inconsistent, or if the store cannot be read.
    pub fn code_notes<T: Target + ?Sized>(&self, target: &T) -> Result<CodeNotes> {
        let graph = PlanGraph::of(target)?;
        let mut unseen: Vec<UnseenCode> = codes(&graph)
            .filter_map(|(stage, code)| unseen_of(stage, code))
            .collect();
        unseen.sort_by(|one, two| one.dref.name().cmp(two.dref.name()));
        Ok(CodeNotes {
            earlier: earlier_results(&self.store, &graph)?,
            unseen,
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
