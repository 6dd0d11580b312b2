//! `why`: explains why a stage ran, or would run.

use similar::{ChangeTag, TextDiff};
use std::io::Write;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, looking};
use crate::text::{local_second, short_rref};
use pylightnix::config::DRefId;
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Realize;
use pylightnix::realize::why::{Cause, CodePart, Why as Answer};

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
}

impl Why {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
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

    /// Explains a stage of the plan of all targets, if there is a plan with this stage.
    fn of_plan(&self, session: &Session) -> CommandResult<Option<Answer>> {
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
        match one {
            Some(one) => Ok(Some(run.why(&stages.whole, AsRef::<DRefId>::as_ref(&one))?)),
            None => Ok(None),
        }
    }
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
