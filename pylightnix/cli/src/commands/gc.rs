//! `gc`: removes results that no root keeps.

use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use super::roots::planned_here;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, local_time, short_rref, size};
use crate::values;
use pylightnix::store::remote::Remote;
use pylightnix::store::{Gc as Collection, GcReport, Root};
use pylightnix::{Error, ErrorKind};

/// Remove results that no root keeps
///
/// Use it when the disk fills up. Keeps the results of roots, of links and of running processes, with everything that they
/// were made from; runs keep the results of their targets (see `roots`). Also removes the folders of failed builds. On a
/// terminal, it shows what would be removed, and asks. It is safe beside runs.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what would be removed if the last month stays?\n  pylightnix gc --older-than 30d --dry-run"
)]
pub(crate) struct Gc {
    /// Show what would be removed, and remove nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Remove only results that were built, carried, imported or accepted longer ago than this, as in `30d`. In a program with a
    /// plan, also results that its runs kept that long ago and that are no longer in its plan
    #[arg(long, value_name = "AGE", value_parser = values::duration)]
    older_than: Option<Duration>,
    /// Keep this many of the newest realizations of each derivation
    #[arg(long, value_name = "COUNT")]
    keep_newest: Option<usize>,
    /// Free no more than this, the oldest first, as in `10GiB`
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    free_at_most: Option<u64>,
    /// Also free the files of results that a remote has: their records stay, and the files come back when they are needed. Names the
    /// remote, unless there is only one
    #[arg(long, value_name = "REMOTE", num_args = 0..=1, default_missing_value = "")]
    pushed: Option<String>,
    /// With `--pushed`, leave files that were built or fetched less than this ago
    #[arg(long, value_name = "AGE", value_parser = values::duration, default_value = "1d", requires = "pushed")]
    pushed_before: Duration,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Even if the store has no roots, remove everything that no running process uses
    #[arg(long)]
    without_roots: bool,
    /// Assert that no other process on any machine uses the store: needed on file systems whose locks do not hold across
    /// machines
    #[arg(long)]
    nobody_else_uses_it: bool,
}

/// The JSON answer: what was removed, or would be.
#[derive(Serialize)]
pub(super) struct Answer<R> {
    pub(super) dry_run: bool,
    #[serde(flatten)]
    pub(super) report: R,
}

impl Gc {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let roots = session.store()?.roots()?;
        if !self.without_roots && !self.dry_run && !roots.iter().any(|root| root.counts) {
            return Err(nothing_is_kept().into());
        }
        let dropped = self.dropped(session, &roots);
        let pushed = match self.pushed.as_deref() {
            Some(name) => Some(
                session
                    .store()?
                    .remote(Some(name).filter(|name| !name.is_empty()))?,
            ),
            None => None,
        };
        let pushed = pushed.as_ref();
        if self.dry_run {
            let report = self.collection(session, &dropped, pushed)?.plan()?;
            return self.print(session, &report);
        }
        if !self.yes && is_asked() {
            let report = self.collection(session, &dropped, pushed)?.plan()?;
            if has_something(&report) && !ask(session, &report)? {
                session.say("nothing was removed");
                return Ok(Exit::Failed);
            }
        }
        let report = self.collection(session, &dropped, pushed)?.run()?;
        self.print(session, &report)
    }

    /// Returns the roots of runs of this program that are no longer in its plan.
    fn dropped(&self, session: &Session, roots: &[Root]) -> HashSet<String> {
        let Some(age) = self.older_than else {
            return HashSet::new();
        };
        let Some(planned) = planned_here(session, roots) else {
            return HashSet::new();
        };
        let dropped = roots.iter().filter(|root| planned.has_dropped(root, age));
        dropped.map(|root| root.name.clone()).collect()
    }

    fn collection<'s>(
        &self,
        session: &'s Session,
        dropped: &HashSet<String>,
        pushed: Option<&'s Remote>,
    ) -> CommandResult<Collection<'s>> {
        let mut gc = session.store()?.gc().remove_roots(dropped.clone());
        if let Some(age) = self.older_than {
            gc = gc.keep_newer_than(age);
        }
        if let Some(count) = self.keep_newest {
            gc = gc.keep_newest(count);
        }
        if let Some(bytes) = self.free_at_most {
            gc = gc.free_at_most(bytes);
        }
        if let Some(remote) = pushed {
            gc = gc.pushed(remote, self.pushed_before);
        }
        if self.nobody_else_uses_it {
            gc = gc.nobody_else_uses_it();
        }
        Ok(gc)
    }

    fn print(&self, session: &Session, report: &GcReport) -> CommandResult {
        let answer = Answer {
            dry_run: self.dry_run,
            report,
        };
        session.print(&answer, |answer, out| {
            write_report(session, report, answer.dry_run, out)
        })?;
        Ok(if report.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

fn nothing_is_kept() -> Error {
    Error::new(
        ErrorKind::Store,
        "no root keeps anything in this store: `gc` would remove all results",
    )
    .with_help(
        "choose first what to keep: `run` keeps the results of the targets of a program, `link REF PATH` and `roots --add NAME REF` \
         keep single results\nto remove everything, add `--without-roots`; `--dry-run` shows what that is",
    )
}

/// Returns whether a person can answer a question.
fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn has_something(report: &GcReport) -> bool {
    !(report.realizations.is_empty()
        && report.stubs.is_empty()
        && report.derivations.is_empty()
        && report.failed.is_empty())
}

/// Shows what would be removed, and asks for confirmation.
fn ask(session: &Session, report: &GcReport) -> CommandResult<bool> {
    let mut shown = Vec::new();
    write_report(session, report, true, &mut shown)?;
    let mut err = io::stderr();
    err.write_all(&shown)?;
    write!(err, "remove this? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Writes as text what was removed, or would be.
pub(super) fn write_report(
    session: &Session,
    report: &GcReport,
    dry_run: bool,
    out: &mut impl Write,
) -> CommandResult<()> {
    let columns = [
        Column::left("REFERENCE"),
        Column::left("BUILT").optional(),
        Column::right("FREES"),
        Column::left("NAME").shrinks(),
    ];
    let mut table = Table::new(session, columns);
    for gone in &report.realizations {
        table.row([
            Cell::styled(short_rref(&gone.rref), style::REFERENCE),
            gone.newest.map(local_time).unwrap_or_default().into(),
            size(gone.freed).into(),
            gone.rref.name().as_str().into(),
        ]);
    }
    table.write(out)?;
    if !report.stubs.is_empty() {
        let columns = [
            Column::left("FILES OF"),
            Column::right("FREES"),
            Column::left("NAME").shrinks(),
        ];
        let mut table = Table::new(session, columns);
        for stub in &report.stubs {
            table.row([
                Cell::styled(short_rref(&stub.rref), style::REFERENCE),
                size(stub.freed).into(),
                stub.rref.name().as_str().into(),
            ]);
        }
        table.write(out)?;
    }
    for folder in &report.failed {
        writeln!(out, "failed build {}", folder.display())?;
    }
    for part in &report.downloads {
        writeln!(out, "partial download {}", part.display())?;
    }
    for run in &report.abandoned {
        writeln!(
            out,
            "abandoned run {}: its process is gone, and nothing was heard of its tasks for 14 days, so it keeps nothing any more",
            run.display()
        )?;
    }
    for root in &report.ended_roots {
        match (&root.link, &root.run) {
            (Some(link), _) => {
                writeln!(
                    out,
                    "root of the link {}, which no longer exists",
                    link.display()
                )?;
            }
            (_, Some(run)) => writeln!(out, "root of {run}, which is no longer in its plan")?,
            _ => {}
        }
    }
    for error in &report.refused {
        writeln!(out, "{} {error}", session.paint(style::BAD, "not removed:"))?;
    }
    if report.elsewhere > 0 {
        let processes = count(report.elsewhere, "process", "processes");
        writeln!(
            out,
            "kept what {processes} on other file systems may use: if none is running, add `--nobody-else-uses-it`"
        )?;
    }
    let done = if dry_run { "would remove" } else { "removed" };
    let mut what = vec![format!(
        "{} of {}",
        report.realizations.len(),
        count(
            report.realizations.len() + report.kept,
            "realization",
            "realizations"
        )
    )];
    let more = [
        (
            report.stubs.len(),
            "realization's files",
            "realizations' files",
        ),
        (report.derivations.len(), "derivation", "derivations"),
        (report.failed.len(), "failed build", "failed builds"),
        (
            report.downloads.len(),
            "partial download",
            "partial downloads",
        ),
        (report.code.len(), "code text", "code texts"),
        (report.runs.len(), "old run", "old runs"),
    ];
    let more = more.into_iter().filter(|(number, ..)| *number > 0);
    what.extend(more.map(|(number, one, more)| count(number, one, more)));
    writeln!(out, "{done} {}: {}", what.join(", "), size(report.bytes))?;
    Ok(())
}
