//! `remote ls`: what a remote has.

use crate::commands::shipping::At;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{local_time, short_rref, size};
use pylightnix::store::Outcome;
use pylightnix::store::remote::RemoteRealization;

/// List the realizations that a remote has
///
/// Use it before a `pull`. Reads the index alone, and none of it is verified.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: those of one stage\n  pylightnix remote ls train --remote /shared/results"
)]
pub(super) struct Ls {
    /// Only those of stages with this name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    at: At,
}

impl Ls {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let store = match session.has_store()? {
            true => Some(session.store()?),
            false => None,
        };
        let mut found: Vec<RemoteRealization> = remote.realizations(store)?;
        if let Some(name) = &self.name {
            found.retain(|one| one.rref.name().as_str() == name);
        }
        session.print(&found, |found, out| {
            let mut table = Table::new(
                session,
                [
                    Column::left("REALIZATION"),
                    Column::left("MADE"),
                    Column::right("SIZE"),
                    Column::left("RESULT"),
                ],
            );
            for one in found {
                let time = one.time.map(local_time).unwrap_or_default();
                let outcome = match one.outcome {
                    Outcome::Ok => Cell::from("ok"),
                    _ => Cell::styled("failed", style::BAD),
                };
                table.row([
                    Cell::styled(short_rref(&one.rref), style::REFERENCE),
                    time.into(),
                    size(one.size).to_string().into(),
                    outcome,
                ]);
            }
            Ok(table.write(out)?)
        })?;
        match found.is_empty() {
            true => Ok(Exit::Failed),
            false => Ok(Exit::Done),
        }
    }
}
