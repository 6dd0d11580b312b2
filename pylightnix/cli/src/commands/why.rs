//! `why`: explains why a stage ran, or would run.

use similar::{ChangeTag, TextDiff};
use std::io::Write;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, looking};
use crate::text::{count, local_second, short_rref};
use pylightnix::config::DRefId;
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Realize;
use pylightnix::realize::why::{Cause, CodePart, RemoteResults, Why as Answer};

/// The number of unchanged lines around changed ones in a diff.
const AROUND: usize = 2;

/// Explain why a stage ran, or would run
///
/// Use it when a stage is built unexpectedly, or a result changed. Compares it with the nearest earlier
/// version of that stage: fields of the config, code, and dependencies, followed to the first change; and the choices of
/// matchers. In a program with an experiment, it explains a stage of the plan; otherwise a result in the store.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: what made the newest `train` run?\n  pylightnix why train")]
pub(crate) struct Why {
    /// A stage of the plan; or a realization: a name, or the beginning of a reference
    #[arg(value_name = "STAGE|REF", add = complete::references())]
    what: String,
    /// Print a one-line summary
    #[arg(long, short)]
    short: bool,
    /// What this remote has of the stage of the plan, and what differs between the code there and that of the plan
    #[arg(long, value_name = "REMOTE", conflicts_with = "short")]
    remote: Option<String>,
}

impl Why {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        if let Some(remote) = &self.remote {
            return self.at(session, remote);
        }
        let why = match self.of_plan(session)? {
            Some(why) => why,
            None => {
                let rref = session.realization(&self.what)?;
                session.store()?.why(&rref)?
            }
        };
        session.print(&why, |why, out| match self.short {
            true => Ok(writeln!(out, "{}", session.shortened(&why.in_short()))?),
            false => write(session, why, out),
        })?;
        Ok(Exit::Done)
    }

    /// Says what a remote has of a stage of the plan.
    fn at(&self, session: &Session, remote: &str) -> CommandResult {
        let store = session.store_or_new()?;
        let remote = store.remote(Some(remote))?;
        let Some((run, _, stage)) = self.planned(session)? else {
            return Err(CommandError::Usage(format!(
                "`{}` is no stage of a plan here: `why --remote` compares the code of a plan",
                self.what
            )));
        };
        let found = run.remote(&remote).why_remote(&stage)?;
        session.print(&found, |found, out| write_remote(session, found, out))?;
        Ok(Exit::Done)
    }

    /// Explains a stage of the plan of all targets, if there is a plan with this stage.
    fn of_plan(&self, session: &Session) -> CommandResult<Option<Answer>> {
        match self.planned(session)? {
            Some((run, stages, stage)) => {
                let why = run.why(&stages.whole, AsRef::<DRefId>::as_ref(&stage))?;
                Ok(Some(why))
            }
            None => Ok(None),
        }
    }

    /// Returns the stage of the plan of all targets that is meant, if there is one, with the plan and a run.
    fn planned(&self, session: &Session) -> CommandResult<Option<Planned>> {
        let Some(experiment) = session.experiment() else {
            return Ok(None);
        };
        let targets: Vec<String> = experiment.names().map(str::to_owned).collect();
        let store = session.store_or_new()?;
        let stages = Stages::of(experiment, &looking(experiment, store, false), &targets)?;
        let mut named = match stages.named(std::slice::from_ref(&self.what)) {
            Ok(named) => named,
            // The name may be in the store.
            Err(CommandError::Usage(text)) if session.realization(&self.what).is_err() => {
                return Err(CommandError::Usage(text));
            }
            Err(CommandError::Usage(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let one = named.pop();
        if let (Some(one), false) = (&one, named.is_empty()) {
            let all = named.iter().chain([one]);
            let shown = |dref: &AnyDRef| format!("\n  {}  {}", dref.id(), stages.title(dref));
            let all: String = all.map(shown).collect();
            return Err(CommandError::Usage(format!(
                "`{}` is the name of several stages of the plan: choose one of\n{}",
                self.what,
                all.trim_start_matches('\n')
            )));
        }
        let run = experiment.configured(Realize::new(store));
        Ok(one.map(|one| (run, stages, one)))
    }
}

/// A run, the plan, and the stage of it that is meant.
type Planned = (Realize<'static>, Stages, AnyDRef);

fn write_remote(
    session: &Session,
    found: &[RemoteResults],
    out: &mut impl Write,
) -> CommandResult<()> {
    if found.is_empty() {
        writeln!(out, "no results of this derivation are there")?;
    }
    for there in found {
        let results = count(there.results, "result", "results");
        let day = there.newest.split('T').next().unwrap_or_default();
        let by = match (there.is_current, &there.code.old) {
            (true, _) => "by the code of today",
            (false, Some(_)) => "by other code",
            (false, None) => "made without sources",
        };
        writeln!(
            out,
            "{results} at {} {by}, the newest of {day}",
            there.remote
        )?;
        if there.is_current {
            continue;
        }
        if there.code.old.is_some() && there.code.parts.is_empty() {
            writeln!(out, "  the text of that code is not there")?;
        }
        for part in &there.code.parts {
            writeln!(out, "  {}", session.paint(style::NAME, &part.what))?;
            write_part(session, part, out)?;
        }
    }
    Ok(())
}

fn write(session: &Session, why: &Answer, out: &mut impl Write) -> CommandResult<()> {
    for line in why.head(&short_rref, local_second) {
        writeln!(out, "{line}")?;
    }
    for (at, change) in why.changes.iter().enumerate() {
        if let Some(title) = why.title(at, &short_rref) {
            writeln!(out, "{title}")?;
        }
        for cause in &change.causes {
            writeln!(
                out,
                "  {}",
                session.paint(style::NAME, session.shortened(&cause.to_string()))
            )?;
            if let Cause::Code(code) = cause {
                for part in &code.parts {
                    // A single part is named in the line before.
                    if code.parts.len() > 1 {
                        writeln!(out, "    {}", session.paint(style::FAINT, &part.what))?;
                    }
                    write_part(session, part, out)?;
                }
            }
        }
        if let Some(line) = why.environment(at) {
            writeln!(out, "  {}", session.paint(style::NAME, line))?;
        }
    }
    for line in why.tail(&short_rref) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes the diff of a part of the code.
fn write_part(session: &Session, part: &CodePart, out: &mut impl Write) -> CommandResult<()> {
    let (old, new) = (
        part.old.as_deref().unwrap_or_default(),
        part.new.as_deref().unwrap_or_default(),
    );
    let diff = TextDiff::from_lines(old, new);
    for (at, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if at > 0 {
            writeln!(out, "    {}", session.paint(style::FAINT, "..."))?;
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = session.shortened(change.value().trim_end_matches('\n'));
            match change.tag() {
                ChangeTag::Equal => writeln!(out, "      {text}")?,
                ChangeTag::Delete => {
                    let line = format!("- {text}");
                    writeln!(out, "    {}", session.paint(style::BAD, line))?;
                }
                ChangeTag::Insert => {
                    let line = format!("+ {text}");
                    writeln!(out, "    {}", session.paint(style::GOOD, line))?;
                }
            }
        }
    }
    Ok(())
}
