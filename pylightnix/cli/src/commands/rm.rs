//! `rm`: removes realizations.

use std::io::Write as _;

use super::gc::{Answer, write_report};
use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::{Referred, Removal};

/// Remove a realization, or a derivation with all its realizations
///
/// Use it when a result is wrong. Refused while another result was made from it, a root keeps it, or a running process
/// uses it. `gc` removes results that no root keeps.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what would be removed with the second newest `train`?\n  \
    pylightnix rm train@2 --with-dependents --dry-run"
)]
pub(crate) struct Rm {
    /// References, complete or abbreviated; `name@1` for the newest of a name
    #[arg(value_name = "REF", required = true, add = complete::references())]
    references: Vec<String>,
    /// Remove all realizations of each name
    #[arg(long)]
    all: bool,
    /// Also remove everything that was made from it
    #[arg(long)]
    with_dependents: bool,
    /// Remove it even if a root keeps it or a process uses it
    #[arg(long, short)]
    force: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Assert that no other process on any machine uses the store: needed on file systems whose locks do not hold across
    /// machines
    #[arg(long)]
    nobody_else_uses_it: bool,
}

/// What is removed in one go.
enum Target {
    Realization(RRefId),
    Derivation(DRefId),
}

impl Rm {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let mut targets = Vec::new();
        for word in &self.references {
            self.targets(session, word, &mut targets)?;
        }
        let mut answers = Vec::new();
        for target in targets {
            let removal = match &target {
                Target::Realization(rref) => store.remove(rref),
                Target::Derivation(dref) => store.remove_derivation(dref),
            };
            let report = match self.dry_run {
                true => self.with_options(removal).plan()?,
                false => self.with_options(removal).run()?,
            };
            let refused = !report.refused.is_empty();
            if session.json() {
                answers.push(Answer {
                    dry_run: self.dry_run,
                    report,
                });
            } else {
                let mut out = session.out();
                write_report(session, &report, self.dry_run, &mut out)?;
                out.flush()?;
            }
            if refused {
                return Ok(Exit::Failed);
            }
        }
        if session.json() {
            session.print_json(&answers)?;
        }
        Ok(Exit::Done)
    }

    fn targets(
        &self,
        session: &Session,
        word: &str,
        targets: &mut Vec<Target>,
    ) -> CommandResult<()> {
        let named = session.called(word)?;
        match (named.is_empty(), self.all) {
            (false, true) => targets.extend(named.into_iter().map(Target::Derivation)),
            (false, false) => {
                return Err(CommandError::Usage(format!(
                    "`{word}` is a name\n  help: `{word}@1` is the newest of that name, and `--all` removes all of them"
                )));
            }
            (true, _) => targets.push(match session.refer(word)? {
                Referred::Derivation(dref) => Target::Derivation(dref),
                Referred::Realization(rref) | Referred::Artifact(rref, _) => {
                    Target::Realization(rref)
                }
            }),
        }
        Ok(())
    }

    fn with_options<'a>(&self, mut removal: Removal<'a>) -> Removal<'a> {
        if self.with_dependents {
            removal = removal.with_dependents();
        }
        if self.force {
            removal = removal.force();
        }
        if self.nobody_else_uses_it {
            removal = removal.nobody_else_uses_it();
        }
        removal
    }
}
