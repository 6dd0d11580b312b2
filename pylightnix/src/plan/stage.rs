//! The trait that `#[stage]` implements.

use super::args::ArgType;
use super::code::Tracked;
use super::limits::Limits;
use super::matcher::Choice;
use crate::lens::{Build, Cardinality, Config, RRef};
use crate::{BoxError, Result};

/// A config whose realizations can be made: `#[stage]` on a function of `&Build<C>` implements it for `C`.
#[diagnostic::on_unimplemented(
    message = "the config `{Self}` has no stage",
    label = "no stage makes this",
    note = "write `#[stage] fn name(b: &Build<{Self}>) -> Result<()> {{ .. }}`"
)]
pub trait Stage: Config {
    /// How many realizations consumers get: [`One`](crate::lens::One), or [`Many`](crate::lens::Many) with `many`,
    /// [`Try<One>`](crate::lens::Try) with `fallible`.
    type Card: Cardinality;

    /// The name of its derivations.
    const NAME: &'static str;

    /// How many times a build runs the function.
    const NOUTS: usize;

    /// What chooses among its realizations, as it is written.
    #[doc(hidden)]
    const MATCHER: &'static str;

    /// What [`Matcher::takes_the_only`](super::matcher::Matcher::takes_the_only) says, of the usual matchers; of another it is
    /// not known before it is made.
    #[doc(hidden)]
    const TAKES_THE_ONLY: bool = false;

    /// The function's tokens, or its `version`.
    #[doc(hidden)]
    const TOKENS: &'static str;

    /// The helpers named in `uses`.
    #[doc(hidden)]
    const USES: &'static [fn() -> Tracked];

    /// The types and constants that a generic stage was made for, which its tokens do not tell.
    #[doc(hidden)]
    fn parameters() -> Vec<String>;

    /// What a run needs of the machine, and how long and how often it may try.
    fn limits() -> Limits {
        Limits::new()
    }

    /// The run-time arguments that it takes.
    #[doc(hidden)]
    fn args() -> Vec<ArgType> {
        Vec::new()
    }

    #[doc(hidden)]
    fn select(candidates: &[RRef<Self>]) -> Result<Choice<Self>, BoxError>;

    #[doc(hidden)]
    fn realize(build: &Build<Self>) -> Result<(), BoxError>;
}

/// What a stage of config `C` may return in its `Ok`.
#[diagnostic::on_unimplemented(
    message = "a stage of `{C}` cannot return `Result<{Self}>`",
    label = "neither the outputs of `{C}` nor `()`",
    note = "return the outputs struct that `#[derive(Config)]` made, `Result<{C}Outputs>`, or `Result<()>`"
)]
pub trait StageValue<C> {}

impl<C> StageValue<C> for () {}
