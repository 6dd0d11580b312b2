//! The options that say whose signatures results need.

use crate::exit::{CommandError, CommandResult};
use pylightnix::keys::{Keys, Trust};
use pylightnix::realize::Realize;
use pylightnix::store::Store;

#[derive(clap::Args, Debug, Clone)]
pub(crate) struct TrustArgs {
    /// Reuse only results that so many of these keys signed, as in `--trust 2 of alice,bob,carol`; what the own key signed is enough
    #[arg(long, num_args = 3, value_names = ["COUNT", "of", "KEYS"])]
    trust: Option<Vec<String>>,
    /// Ask for these signatures of what the own key signed, too
    #[arg(long, requires = "trust")]
    trust_strict: bool,
}

impl TrustArgs {
    /// Returns whose signatures results need, if any.
    pub(crate) fn of(&self, store: &Store) -> CommandResult<Option<Trust>> {
        let Some(words) = &self.trust else {
            return Ok(None);
        };
        let fault = || {
            CommandError::Usage(format!(
                "`--trust {}` does not say whose signatures are needed\n  help: `--trust 2 of alice,bob,carol`",
                words.join(" ")
            ))
        };
        let [count, of, names] = words.as_slice() else {
            return Err(fault());
        };
        let count: usize = count.parse().map_err(|_| fault())?;
        if of != "of" {
            return Err(fault());
        }
        let keys = store.keys().unwrap_or_else(|| Keys::at(""));
        let trust = Trust::new(&keys, count, names.split(','))?;
        Ok(Some(match self.trust_strict {
            true => trust.strict(),
            false => trust,
        }))
    }
}

/// Has a run ask for signatures, if any are needed.
pub(crate) fn trusting<'a>(run: Realize<'a>, trust: Option<&Trust>) -> Realize<'a> {
    match trust {
        Some(trust) => run.trust(trust.clone()),
        None => run,
    }
}
