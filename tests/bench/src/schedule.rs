//! The overhead of a run besides its stages and their publication: independent stages that do nothing, with a test double of
//! publishing.

use std::time::Instant;

use pylightnix::prelude::*;

use crate::contest::contest;
use crate::options::Options;
use crate::table::{Row, Table};

const STAGES: u64 = 10_000;

/// A stage without artifacts.
#[derive(Config)]
struct Nothing {
    number: u64,
}

#[stage]
fn nothing(_: &Build<Nothing>) -> Result<()> {
    Ok(())
}

/// Realizes the plan in a store that stays empty.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let store = Store::open(folder.path().join("store"))?;
    let plan: Vec<_> = (0..STAGES)
        .map(|number| instantiate(Nothing::new(number)))
        .collect::<Result<_, _>>()?;
    let ours = &mut |_| {
        let begun = Instant::now();
        let realize = Realize::new(&store).jobs(2).without_publishing();
        std::hint::black_box(realize.run(&plan)?);
        Ok(begun.elapsed())
    };
    let medians = contest(options, "schedule", "10,000", &mut [("ours", ours)])?;
    let work = "10,000 independent stages that do nothing, 2 jobs, nothing published: a stage";
    table.add(Row::cost(work, medians[0] / STAGES as f64, 5e-6));
    Ok(())
}
