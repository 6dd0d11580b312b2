//! `remote gc`: deletes what a remote need not keep.

use std::io::Write as _;
use std::time::Duration;

use crate::commands::shipping::{At, say_told};
use crate::exit::{CommandResult, Exit};
use crate::out::Out;
use crate::session::{Session, style};
use crate::text::{count, local_time, size};
use crate::values;
use pylightnix::store::remote::{ObjectCount, RemoteCollected, RemoteGc};

/// Delete what a remote need not keep, in two runs
///
/// Use it now and then, such as once a day. It keeps what a root keeps, with all that it was made from, and what was pushed in the last 30 days. A run
/// names what is to be deleted, and the next one deletes it if the grace of 24 hours is over and nobody needs it again; so it is safe beside
/// pushes. It also packs anew what little is needed of a pack, and makes one segment of many.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep nothing but what roots keep\n  pylightnix remote gc --newer-than 0s --remote /shared/results --dry-run"
)]
pub(super) struct Gc {
    /// Give up roots that were put longer ago than this, as in `90d`
    #[arg(long, value_name = "AGE", value_parser = values::duration)]
    older_than: Option<Duration>,
    /// Keep the root of this name, however old it is; may be given several times
    #[arg(long, value_name = "ROOT")]
    keep: Vec<String>,
    /// Keep what was pushed within this time, whether or not a root keeps it
    #[arg(long, value_name = "AGE", value_parser = values::duration, default_value = "30d")]
    newer_than: Duration,
    /// Delete what this run names only after this time, by the clock of the remote
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "24h")]
    grace: Duration,
    /// Say what would be deleted and named, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    at: At,
}

impl Gc {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let mut collecting = RemoteGc::new(&remote)
            .newer_than(self.newer_than)
            .grace(self.grace);
        if session.has_store()? {
            collecting = collecting.cached(session.store()?);
        }
        if let Some(age) = self.older_than {
            collecting = collecting.roots_older_than(age);
        }
        for root in &self.keep {
            collecting = collecting.keep(root);
        }
        if self.dry_run {
            collecting = collecting.dry_run();
        }
        let collected = collecting.run()?;
        say_told(session, &collected.told);
        session.print(&collected, |collected, out| write(session, collected, out))?;
        Ok(Exit::Done)
    }
}

fn shown(objects: ObjectCount) -> String {
    let number = usize::try_from(objects.objects).unwrap_or(usize::MAX);
    let bytes = size(objects.bytes);
    format!("{} of {bytes}", count(number, "object", "objects"))
}

fn write(session: &Session, collected: &RemoteCollected, out: &mut Out) -> CommandResult<()> {
    let would = if collected.dry { "would be " } else { "" };
    for rref in &collected.rrefs {
        writeln!(out, "{}", session.paint(style::REFERENCE, rref))?;
    }
    for root in &collected.roots {
        writeln!(out, "the root {}", session.paint(style::NAME, root))?;
    }
    let is_some = |objects: ObjectCount| objects.objects > 0;
    if is_some(collected.deleted) {
        writeln!(out, "{} {would}deleted", shown(collected.deleted))?;
    }
    if is_some(collected.spared) {
        writeln!(
            out,
            "{} {would}spared, as they are needed again",
            shown(collected.spared)
        )?;
    }
    if is_some(collected.moved) {
        writeln!(out, "{} {would}put anew", shown(collected.moved))?;
    }
    match (collected.due, is_some(collected.named)) {
        (Some(due), true) => {
            let (named, due) = (shown(collected.named), local_time(due));
            writeln!(
                out,
                "{named} {would}named, to be deleted by a run after {due}"
            )?;
        }
        (Some(due), false) => {
            let due = local_time(due);
            writeln!(out, "what is named already is deleted by a run after {due}")?;
        }
        (None, _) => writeln!(out, "nothing more is to be deleted")?,
    }
    Ok(())
}
