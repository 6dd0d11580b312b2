//! The first run after a build: a process that makes the plan and finds that another one has just built it, compared with `ninja`
//! on the same graph, and with a later run.

use std::fs;

use pylightnix::prelude::Result;

use crate::contest::contest;
use crate::measure::time;
use crate::noop::{COMPARED, Case};
use crate::options::Options;
use crate::table::{Row, Table};

/// Measures a chain.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    // Each round builds anew.
    let case = |round: usize| -> Result<Case> {
        let folder = folder.path().join(round.to_string());
        fs::create_dir_all(&folder)?;
        Ok(Case::new(&folder, "chain", COMPARED))
    };
    let later = Case::new(folder.path(), "chain", COMPARED);
    for _ in 0..2 {
        time(&mut later.ours()?)?;
    }
    let medians = contest(
        options,
        "second",
        "chain",
        &mut [
            ("ours", &mut |round| {
                let case = case(round)?;
                time(&mut case.ours()?)?;
                time(&mut case.ours()?)
            }),
            ("ninja", &mut |round| {
                let case = case(round)?;
                case.build_by_ninja()?;
                time(&mut case.ninja())
            }),
            ("later", &mut |_| time(&mut later.ours()?)),
        ],
    )?;
    let work = format!("the first run after the build of a chain of {COMPARED} stages: a process");
    let ninja = ("ninja", medians[1]);
    table.add(Row::ratio(&work, medians[0], ninja, 1.0));
    let later = ("a later run", medians[2]);
    table.add(Row::ratio(&work, medians[0], later, 2.0));
    Ok(())
}
