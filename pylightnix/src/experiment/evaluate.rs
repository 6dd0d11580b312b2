//! Runs of experiments that ask.

use super::Run;
use crate::Error;
use crate::plan::Target;
use crate::realize::Realize;

impl<'a> Realize<'a> {
    /// Makes a plan with a function that may ask the run for results, and realizes it. Each derivation is chosen once, in questions
    /// and in the final plan alike, and forced once.
    ///
    /// # Errors
    /// The errors of `plan`, whose type it returns, and those of [`run`](Self::run).
    pub fn evaluate<T: Target, E: From<Error>>(
        self,
        plan: impl FnOnce(&Run<'a>) -> Result<T, E>,
    ) -> Result<T::Output, E> {
        let run = Run::new(self);
        let target = plan(&run)?;
        Ok(run.finish(&target)?.0)
    }
}
