//! `import`: brings in what the Python package made.

use serde::Serialize;
use std::path::PathBuf;

use crate::exit::{CommandError, CommandResult};
use crate::session::{Session, style};
use crate::stages::{Stages, experiment_of, looking};
use crate::text::count;
use pylightnix::config::DRefId;
use pylightnix::realize::Realize;
use pylightnix::store::Store;
use pylightnix::store::python::{Import as Importing, Imported, PythonStore};

/// Bring in the results of a store of the Python package `pylightnix`
///
/// Use it when you go from the package to Rust, or work with both. Every hash is checked. Results come with what they were made from, with
/// their times and failures; importing twice brings nothing new. It is not known which code made them, so they count in a run once
/// they are accepted (`accept --unknown`), or with `--trust-unknown`. What cannot be imported is named, and the rest comes.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: all results of your Python programs\n  pylightnix import ~/_pylightnix --store results"
)]
pub(crate) struct Import {
    /// The root of the Python store, or an archive by its `spack` (.zip, .tar.gz)
    #[arg(value_name = "DIR|ARCHIVE", value_hint = clap::ValueHint::AnyPath)]
    from: PathBuf,
    /// Accept the imported results of this program's stages: they count as made by today's code
    #[arg(long, conflicts_with = "dry_run")]
    accept: bool,
    /// Take results whose hash cannot be checked, as it depends on an order of many folders that is written nowhere
    #[arg(long)]
    trust_unchecked: bool,
    /// Show what would be imported, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    store: PathBuf,
    #[serde(flatten)]
    imported: Imported,
}

impl Import {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        if self.accept {
            // Before anything is imported.
            experiment_of(session)?;
        }
        let has_store = session.has_store()?;
        let imported = match self.dry_run && !has_store {
            true => PythonStore::open(&self.from)?.check(self.trust_unchecked)?,
            false => self.imported(session, has_store)?,
        };
        let store = session.store_folder()?;
        for one in &imported.left_out {
            session.say_left_out(&one.error);
        }
        let answer = Answer {
            dry_run: self.dry_run,
            store,
            imported,
        };
        session.print(&answer, |answer, out| {
            for one in &answer.imported.realizations {
                let rref = session.paint(style::REFERENCE, &one.rref);
                std::io::Write::write_fmt(out, format_args!("{rref}\n"))?;
            }
            Ok(())
        })?;
        self.say(session, &answer);
        if self.accept {
            accept(session, &answer.imported)?;
        }
        Ok(session.exit())
    }

    fn imported(&self, session: &Session, has_store: bool) -> CommandResult<Imported> {
        let from = match has_store && !self.dry_run {
            true => PythonStore::open_for(&self.from, session.store()?)?,
            // Before a store is made.
            false => PythonStore::open(&self.from)?,
        };
        let mut importing = Importing::new(session.store_or_new()?);
        if self.trust_unchecked {
            importing = importing.trust_unchecked();
        }
        Ok(match self.dry_run {
            true => importing.plan(&from)?,
            false => importing.run(&from)?,
        })
    }

    fn say(&self, session: &Session, answer: &Answer) {
        let all = &answer.imported.realizations;
        let new = all.iter().filter(|one| one.is_new).count();
        let place = answer.store.display();
        let said = match self.dry_run {
            true => count(all.len(), "realization would be", "realizations would be"),
            false => count(all.len(), "realization is", "realizations are"),
        };
        session.say(format_args!("{said} in {place}, {new} of them new"));
        let unchecked = all.iter().filter(|one| !one.is_checked).count();
        if unchecked > 0 {
            let said = count(unchecked, "hash was not checked", "hashes were not checked");
            session.say(said);
        }
        if new > 0 && !self.accept && !self.dry_run {
            session.say(
                "it is not known which code made them: a run takes them after `accept --unknown`, or with `--trust-unknown`",
            );
        }
    }
}

/// Accepts what was imported, as far as the program has its stages.
fn accept(session: &Session, imported: &Imported) -> CommandResult<()> {
    let experiment = experiment_of(session)?;
    let store: &Store = session.store()?;
    let targets: Vec<String> = experiment.names().map(str::to_owned).collect();
    let plan = Stages::of(experiment, &looking(experiment, store, true), &targets)?;
    let mut accept = experiment
        .configured(Realize::new(store))
        .accept()
        .unknown();
    let came = imported.realizations.iter().map(|one| one.rref.dref());
    let came: Vec<&DRefId> = came.collect();
    if came.is_empty() {
        return Ok(());
    }
    for dref in came {
        accept = accept.stage(dref);
    }
    let done = accept.run(&plan.whole).map_err(CommandError::from)?;
    let accepted: Vec<_> = done.accepted.into_iter().map(|one| one.rref).collect();
    session.say_accepted(&accepted);
    Ok(())
}
