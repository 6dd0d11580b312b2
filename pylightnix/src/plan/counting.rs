//! Lets more of the environment count for all stages of a plan.

use rustc_hash::FxHashMap;
use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::code::Code;
use super::counts::{Counts, CountsUnknown};
use super::node::AnyDRef;
use crate::{Error, ErrorKind, Result};

/// Lets more count for the derivations of a plan.
pub(super) struct CountingPlan<'a> {
    counts: &'a BTreeSet<Counts>,
    /// The new recipes of the recipes of the plan, by their addresses.
    recipes: FxHashMap<usize, CountingRecipe>,
    /// The crates that are not found yet.
    missing: BTreeSet<&'a Counts>,
}

/// A recipe with more that counts.
pub(crate) struct CountingRecipe {
    pub(super) code: Arc<Code>,
    /// A `Recipe<C>`, once a derivation has it.
    pub(super) recipe: Option<Arc<dyn Any + Send + Sync>>,
}

impl<'a> CountingPlan<'a> {
    /// Returns `None` if nothing more is to count.
    pub(super) fn new(counts: &'a BTreeSet<Counts>) -> Option<Self> {
        let crates = counts.iter().filter(|it| matches!(it, Counts::Crate(_)));
        (!counts.is_empty()).then(|| CountingPlan {
            counts,
            recipes: FxHashMap::default(),
            missing: crates.collect(),
        })
    }

    /// Returns the same derivation with code for which more counts.
    pub(super) fn of(&mut self, dref: AnyDRef) -> Result<AnyDRef> {
        let node = dref.node();
        let Some(code) = node.code() else {
            return Ok(dref);
        };
        let recipe = node.recipe_address();
        if !self.recipes.contains_key(&recipe) {
            let place = node.stage().map(|(_, place)| place);
            let code = match code.counting(self.counts, place) {
                Ok(code) => code,
                Err((what, why)) => return Err(unknown(&dref, what, why)),
            };
            self.missing.retain(|what| !code.counts(what));
            let code = Arc::new(code);
            let counting = CountingRecipe { code, recipe: None };
            self.recipes.insert(recipe, counting);
        }
        Ok(match self.recipes.get_mut(&recipe) {
            Some(counting) => dref.counting(counting),
            None => dref,
        })
    }

    /// Fails if a crate counts for no stage.
    pub(super) fn check(&self) -> Result<()> {
        let Some(what) = self.missing.first() else {
            return Ok(());
        };
        let message = format!(
            "{what} is to count in this run, and no stage of the plan is in a package whose Cargo.lock has that crate"
        );
        Err(Error::new(ErrorKind::Plan, message)
            .with_help("give the name as code writes it, with `_` for `-`"))
    }
}

fn unknown(dref: &AnyDRef, what: &Counts, why: CountsUnknown) -> Error {
    let stage = match dref.node().stage() {
        Some((name, _)) => name,
        None => dref.id().name().as_str(),
    };
    let message =
        format!("{what} is to count in this run, and for stage `{stage}` it is not known: {why}");
    Error::new(ErrorKind::Plan, message).with_help(
        "leave it out of `Realize::counts`, and let it count for the stages that need it: `#[stage(counts(..))]`",
    )
}
