//! `roots`: lists, adds and removes roots of garbage collection.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, looking};
use crate::table::{Cell, Column, Table};
use crate::text::{local_time, short_rref};
use crate::{complete, values};
use pylightnix::config::DRefId;
use pylightnix::store::{Root, RootRun};

/// List the roots that garbage collection keeps; add or remove a root
///
/// Use it when you want to know why results stay, or to keep a result under a name. A root keeps its realization and
/// everything that it was made from. Each run keeps the results of its targets, until a later run of the same target, by the
/// same user and with the same config, gives another result; in a program with an experiment, `IN PLAN` says whether its
/// plan has the stage. The root of a link ends when the link is removed.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep the newest `train` as `best`\n  pylightnix roots --add best train"
)]
pub(crate) struct Roots {
    /// Add a root with this name, which keeps a realization
    #[arg(long, num_args = 2, value_names = ["NAME", "REF"], conflicts_with = "remove", add = complete::references())]
    add: Option<Vec<String>>,
    /// Remove this root; may be repeated. Without a name, all roots that the options below select
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    remove: Option<Vec<String>>,
    /// Select only roots of runs of this program
    #[arg(long, value_name = "NAME", conflicts_with = "add")]
    program: Option<String>,
    /// Select only roots of runs of this target
    #[arg(long, value_name = "NAME", conflicts_with = "add")]
    target: Option<String>,
    /// Select only roots that have kept the same result for longer than this, as in `30d`
    #[arg(long, value_name = "AGE", value_parser = values::duration, conflicts_with = "add")]
    older_than: Option<Duration>,
}

/// A root in the JSON answer.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    root: &'a Root,
    /// Whether the program's plan contains it; `None` if that is not known.
    planned: Option<bool>,
}

impl Roots {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        if let Some([name, reference]) = self.add.as_deref() {
            let rref = session.realization(reference)?;
            store.add_root(name, &rref)?;
            session.say(format_args!("{name} keeps {rref}"));
            return Ok(Exit::Done);
        }
        let names = match &self.remove {
            Some(names) if names.is_empty() => return self.remove_chosen(session),
            Some(names) => names.as_slice(),
            None => &[],
        };
        for name in names {
            if !store.remove_root(name)? {
                store.root_named(name)?;
            }
        }
        if !names.is_empty() {
            return Ok(Exit::Done);
        }
        self.list(session)
    }

    /// Returns whether the options select a root.
    fn chooses(&self, root: &Root) -> bool {
        let of_run = |wanted: &Option<String>, part: fn(&RootRun) -> &String| {
            (wanted.as_ref())
                .is_none_or(|wanted| root.run.as_ref().is_some_and(|run| part(run) == wanted))
        };
        of_run(&self.program, |run| &run.program)
            && of_run(&self.target, |run| &run.target)
            && self.older_than.is_none_or(|age| is_older(root, age))
    }

    fn remove_chosen(&self, session: &Session) -> CommandResult {
        if self.program.is_none() && self.target.is_none() && self.older_than.is_none() {
            return Err(CommandError::Usage(
                "`--remove` takes the name of a root, or `--program`, `--target` or `--older-than`"
                    .to_owned(),
            ));
        }
        let store = session.store()?;
        for root in store.roots()?.iter().filter(|root| self.chooses(root)) {
            // The root of a link is removed with its link, by `unlink`.
            if root.link.is_none() && store.remove_root(&root.name)? {
                session.say(format_args!("{} no longer keeps {}", by(root), root.rref));
            }
        }
        Ok(Exit::Done)
    }

    fn list(&self, session: &Session) -> CommandResult {
        let roots = session.store()?.roots()?;
        let planned = planned_here(session, &roots);
        let rows: Vec<_> = roots.iter().filter(|root| self.chooses(root)).collect();
        let rows: Vec<Row<'_>> = (rows.into_iter())
            .map(|root| Row {
                root,
                planned: planned.as_ref().and_then(|planned| planned.has(root)),
            })
            .collect();
        if roots.is_empty() {
            session.say("there are no roots: `gc` keeps nothing");
        }
        session.print(&rows, |rows, out| {
            let mut columns = vec![
                Column::left("REFERENCE"),
                Column::left("STAGE").shrinks(),
                Column::left("SINCE").optional(),
            ];
            if planned.is_some() {
                columns.push(Column::left("IN PLAN").optional());
            }
            columns.push(Column::left("KEPT BY").shrinks());
            let mut table = Table::new(session, columns);
            for Row { root, planned: has } in rows {
                let by = match root.counts {
                    true => by(root).into(),
                    false => Cell::styled(
                        format!("{} (missing: keeps nothing)", by(root)),
                        style::FAINT,
                    ),
                };
                let in_plan = planned.as_ref().map(|_| match has {
                    Some(true) => "yes".into(),
                    Some(false) => Cell::styled("no", style::FAINT),
                    None => "".into(),
                });
                let rref = Cell::styled(short_rref(&root.rref), style::REFERENCE);
                let since = local_time(root.since).into();
                let cells = [rref, root.rref.name().as_str().into(), since];
                table.row(cells.into_iter().chain(in_plan).chain([by]));
            }
            Ok(table.write(out)?)
        })?;
        Ok(Exit::Done)
    }
}

/// Returns the text of the column `KEPT BY`.
fn by(root: &Root) -> String {
    match (&root.link, &root.run) {
        (Some(link), _) => format!("link {}", link.display()),
        (_, Some(run)) => run.to_string(),
        _ => root.name.clone(),
    }
}

/// Returns whether a root has kept the same result for longer than this.
fn is_older(root: &Root, age: Duration) -> bool {
    let since = Timestamp::now().duration_since(root.since);
    since.unsigned_abs() > age && since.is_positive()
}

/// The derivations in the plan of a program.
pub(super) struct Planned {
    program: String,
    drefs: HashSet<DRefId>,
}

impl Planned {
    /// Returns whether the plan contains what a root keeps; `None` if the root is not of a run of the program.
    fn has(&self, root: &Root) -> Option<bool> {
        let run = root.run.as_ref()?;
        (run.program == self.program).then(|| self.drefs.contains(root.rref.dref()))
    }

    /// Returns whether a run of the program made the root longer ago than `age`, for a derivation that is no longer in its
    /// plan.
    pub(super) fn has_dropped(&self, root: &Root, age: Duration) -> bool {
        self.has(root) == Some(false) && is_older(root, age)
    }
}

/// Returns the plan of this program, if it has one and runs of it made roots. Only reports a plan that cannot be made.
pub(super) fn planned_here(session: &Session, roots: &[Root]) -> Option<Planned> {
    let experiment = session.experiment()?;
    let program = experiment.program();
    let of_it = |root: &Root| root.run.as_ref().is_some_and(|run| run.program == program);
    if !roots.iter().any(of_it) {
        return None;
    }
    let planned = || {
        let run = looking(experiment, session.store()?, false);
        Stages::planned(experiment, &run)
    };
    match planned() {
        Ok(drefs) => Some(Planned {
            program: program.to_owned(),
            drefs,
        }),
        Err(fault) => {
            let why = fault.report().unwrap_or_default();
            session.say(format_args!(
                "it is not known which roots are in the plan: {why}"
            ));
            None
        }
    }
}
