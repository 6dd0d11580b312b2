//! `export`: hands results to the Python package.

use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

use crate::complete;
use crate::exit::CommandResult;
use crate::session::{Session, style};
use crate::text::count;
use pylightnix::store::python::{Export as Exporting, Exported};

/// Write results, with everything that they were made from, for the Python package `pylightnix`
///
/// Use it when a Python program goes on with results. The package finds them as its own: it builds nothing, and builds on them. What has
/// no form there is named, and the rest is written. `import` brings results back, with the same references.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `report`, into the store that Python programs use\n  pylightnix export --python ~/_pylightnix report"
)]
pub(crate) struct Export {
    /// The root of the Python store, a folder that is one, or is empty or not there yet; a name that ends in `.zip` is an archive for `sunpack`
    #[arg(long, value_name = "DIR|ARCHIVE.zip", value_hint = clap::ValueHint::AnyPath, required = true)]
    python: PathBuf,
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Show what would be exported, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    to: PathBuf,
    #[serde(flatten)]
    exported: Exported,
}

impl Export {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let roots = match self.all {
            true => store.rrefs()?,
            false => session.realizations(&self.references)?,
        };
        let exporting = Exporting::new(store);
        let exported = match self.dry_run {
            true => exporting.plan(&roots, &self.python)?,
            false => exporting.write(&roots, &self.python)?,
        };
        for one in &exported.left_out {
            session.say_left_out(&one.error);
        }
        let answer = Answer {
            dry_run: self.dry_run,
            to: self.python,
            exported,
        };
        session.print(&answer, |answer, out| {
            for one in &answer.exported.realizations {
                writeln!(out, "{}", session.paint(style::REFERENCE, &one.python))?;
            }
            Ok(())
        })?;
        let all = &answer.exported.realizations;
        let new = all.iter().filter(|one| one.is_new).count();
        let said = match answer.dry_run {
            true => count(all.len(), "realization would be", "realizations would be"),
            false => count(all.len(), "realization is", "realizations are"),
        };
        session.say(format_args!(
            "{said} in {}, {new} of them new",
            answer.to.display()
        ));
        let is_archive = answer
            .to
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("zip"));
        let deep = all.iter().filter(|one| !one.is_flat).count();
        if is_archive && deep > 0 {
            session.say(format_args!(
                "{}: `sunpack` of the package takes only files out of an archive, so give a folder for them",
                count(deep, "realization has folders or links", "realizations have folders or links")
            ));
        }
        Ok(session.exit())
    }
}
