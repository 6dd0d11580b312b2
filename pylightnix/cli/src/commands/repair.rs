//! `repair`: mends damage in a store.

use std::io::Write as _;
use std::path::PathBuf;

use super::check::write_faults;
use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::text::count;
use pylightnix::store::Store;

/// Check everything, and repair what can be repaired
///
/// Use it when `check` found faults. Broken artifacts, records and configs are replaced if the same bytes exist elsewhere,
/// in this store or in another one; others are moved to `quarantine/` and built again when needed. The exit status is 1 if
/// faults are left.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: take good copies from a backup\n  pylightnix repair --from /backup/_pylightnix"
)]
pub(crate) struct Repair {
    /// Restrict it to these: names, or beginnings of references
    #[arg(value_name = "REF", add = complete::references())]
    only: Vec<String>,
    /// Another store to take good copies from; may be repeated
    #[arg(long, value_name = "STORE", value_hint = clap::ValueHint::DirPath)]
    from: Vec<PathBuf>,
}

impl Repair {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let peers: CommandResult<Vec<Store>> = self
            .from
            .iter()
            .map(|place| session.other_store(place))
            .collect();
        let peers = peers?;
        let mut repair = store.repair();
        if !self.only.is_empty() {
            repair = repair.only(session.realizations(&self.only)?);
        }
        for peer in &peers {
            repair = repair.with(peer);
        }
        let report = repair.run()?;
        session.print(&report, |report, out| {
            for repaired in &report.repaired {
                writeln!(out, "{} {}", repaired.path.display(), repaired.action)?;
                if let Some(quarantine) = &repaired.quarantine {
                    writeln!(out, "  the broken one is now {}", quarantine.display())?;
                }
            }
            write_faults(session, &report.left, out)?;
            for error in &report.refused {
                writeln!(out, "{} {error:?}", session.paint(style::BAD, "refused:"))?;
            }
            writeln!(
                out,
                "{} in {}; {}, {} left",
                count(report.check.faults.len(), "fault", "faults"),
                count(report.check.realizations, "realization", "realizations"),
                count(report.repaired.len(), "repair", "repairs"),
                report.left.len(),
            )?;
            Ok(())
        })?;
        Ok(if report.left.is_empty() && report.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}
