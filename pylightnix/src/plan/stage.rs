//! The trait that `#[stage]` implements.

use super::args::ArgType;
use super::code::Tracked;
use super::limits::Limits;
use super::matcher::StageMatcher;
use super::place::Place;
use super::reach::Reach;
use super::reading::Reading;
use super::sealing::Sealing;
use crate::lens::{Build, Cardinality, Config};
use crate::{BoxError, Result};

/// A config with a stage: `#[stage]` on a function with the argument `&Build<C>` implements it for `C`.
#[diagnostic::on_unimplemented(
    message = "the config `{Self}` has no stage",
    label = "no stage makes this",
    note = "write `#[stage] fn name(b: &Build<{Self}>) -> Result<()> {{ .. }}`"
)]
pub trait Stage: Config {
    /// The number of realizations that consumers get: [`One`](crate::lens::One), or [`Many`](crate::lens::Many) with `many`,
    /// or [`Try<One>`](crate::lens::Try) with `fallible`.
    type Card: Cardinality;

    /// The name of the stage's derivations.
    const NAME: &'static str;

    /// The place of the function in the source.
    #[doc(hidden)]
    const PLACE: Place;

    /// The number of runs of the function in a build.
    const NOUTS: usize;

    /// The matcher, as it is written in the source.
    #[doc(hidden)]
    const MATCHER: &'static str;

    /// The tokens of the function, or its `version`.
    #[doc(hidden)]
    const TOKENS: &'static str;

    /// The helpers named in `uses`.
    #[doc(hidden)]
    const USES: &'static [fn() -> Tracked];

    /// What its code reaches.
    #[doc(hidden)]
    const REACH: Reach;

    /// What counts as read.
    #[doc(hidden)]
    const READS: Reading = Reading::Noted;

    /// What a sealed stage may reach; `None` for a stage that is not sealed.
    #[doc(hidden)]
    const SEALING: Option<Sealing> = None;

    /// Returns the generic arguments of the stage, which its tokens do not contain.
    #[doc(hidden)]
    fn parameters() -> Vec<String>;

    /// Returns the resources, the time limit and the retries of a run.
    fn limits() -> Limits {
        Limits::new()
    }

    /// Returns the types of the run-time arguments that the stage takes.
    #[doc(hidden)]
    fn args() -> Vec<ArgType> {
        Vec::new()
    }

    /// Makes the matcher, which chooses among the realizations of the stage.
    #[doc(hidden)]
    fn matcher() -> StageMatcher<Self>;

    #[doc(hidden)]
    fn realize(build: &Build<Self>) -> Result<(), BoxError>;
}

/// The types that a stage of config `C` may return in `Ok`.
#[diagnostic::on_unimplemented(
    message = "a stage of `{C}` cannot return `Result<{Self}>`",
    label = "neither the outputs of `{C}` nor `()`",
    note = "return the outputs struct that `#[derive(Config)]` made, `Result<{C}Outputs>`, or `Result<()>`"
)]
pub trait StageValue<C> {}

impl<C> StageValue<C> for () {}
