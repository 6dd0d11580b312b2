//! `site`: writes the pages of a store as files.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::PathBuf;

use crate::complete;
use crate::exit::CommandResult;
use crate::pages::{Artifacts, Reader, Site as Writing, Written};
use crate::session::{Session, style};
use crate::text::count;
use crate::values;
use pylightnix::config::RRefId;
use pylightnix::store::{Realization, Store};

/// How much memory tables may take that are kept.
const MEMORY: u64 = 256 << 20;

/// Write the pages of a store as files
///
/// Use it when people without the store want to see results, such as a colleague or the readers of a paper. The files need no server, and no
/// network. They show chosen results and all that those were made from, as `serve` does, except for what needs the store: they say so. A
/// second time, what did not change is not touched.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `report`, with all that it was made from\n  pylightnix site pages report"
)]
pub(crate) struct Site {
    /// A folder that is empty or not there yet, or has nothing but a site of before
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
    /// Results, with all that they were made from: names, or beginnings of references [default: what roots keep, as the targets of runs, else all]
    #[arg(value_name = "REF", add = complete::references())]
    references: Vec<String>,
    /// The most pages of results, of the newest ones; or `all`
    #[arg(long, value_name = "COUNT|all", default_value = "2000", value_parser = pages)]
    pages: usize,
    /// Which artifacts are there as files: those that are at most this large; `copy` all; or `link` to those in the store
    #[arg(long, value_name = "SIZE|copy|link", default_value = "1MiB", value_parser = artifacts)]
    artifacts: Artifacts,
}

fn pages(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        text => text
            .parse()
            .map_err(|_| format!("`{text}` is no number, and not `all`")),
    }
}

fn artifacts(text: &str) -> Result<Artifacts, String> {
    match text {
        "copy" => Ok(Artifacts::Copy),
        "link" => Ok(Artifacts::Link),
        text => values::size(text).map(Artifacts::UpTo),
    }
}

impl Site {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let chosen = self.chosen(session, store)?;
        let reader = Reader::new(store.clone(), MEMORY, None).only(chosen);
        let site = Writing {
            reader: &reader,
            pages: self.pages,
            artifacts: self.artifacts,
        };
        let written = site.write(&self.folder)?;
        session.print(&written, |written, out| {
            let Written {
                files,
                changed,
                removed,
                without_page,
            } = written;
            let shown = self.folder.join("index.html");
            writeln!(out, "{}", session.paint(style::REFERENCE, shown.display()))?;
            writeln!(
                out,
                "{}, {changed} new or changed, {removed} removed",
                count(*files, "file", "files")
            )?;
            if *without_page > 0 {
                let many = count(*without_page, "result has", "results have");
                writeln!(out, "{many} no page: see `--pages`")?;
            }
            Ok(())
        })?;
        Ok(session.exit())
    }

    /// Returns the realizations that are shown.
    fn chosen(&self, session: &Session, store: &Store) -> CommandResult<BTreeSet<RRefId>> {
        let mut tops = session.realizations(&self.references)?;
        if tops.is_empty() {
            let roots = store.roots()?.into_iter().filter(|root| root.counts);
            tops = roots.map(|root| root.rref).collect();
            // Roots may outlive what they keep.
            tops.retain(|rref| store.has(rref).unwrap_or(false));
        }
        if tops.is_empty() {
            tops = store.rrefs()?;
        }
        // The index knows most of what they were made from.
        let drefs = store.drefs_named("*")?;
        let found = store.realizations_of_each(&drefs);
        let found = found.flat_map(|(_, found)| found).flatten();
        let mut known: HashMap<RRefId, Realization> =
            found.map(|one| (one.id.clone(), one)).collect();
        let mut chosen = BTreeSet::new();
        while let Some(rref) = tops.pop() {
            if chosen.contains(&rref) {
                continue;
            }
            let found = match known.remove(&rref) {
                Some(found) => Some(found),
                None => session.or_left_out(store.realization(&rref)),
            };
            if let Some(found) = found {
                tops.extend(found.context.realizations().cloned());
                chosen.insert(rref);
            }
        }
        Ok(chosen)
    }
}
