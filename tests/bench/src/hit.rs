//! Realizing one existing stage in a running process, compared with a cached call of joblib.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;

use crate::contest::contest;
use crate::measure::{child as child_of, median, said_time};
use crate::options::Options;
use crate::peers::python;
use crate::plans::plan;
use crate::table::{Row, Table};

/// The number of measured calls, whose median counts.
const HITS: usize = 2_000;

/// Realizes a stage repeatedly; prints the seconds for one call.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [root] = args else {
        return Err("one store".into());
    };
    let store = Store::open(root)?;
    let target = plan("chain", 1)?;
    store.realize(&target)?;
    // A folder that has just changed is not cached by the index.
    std::thread::sleep(Duration::from_millis(300));
    let mut times = Vec::with_capacity(HITS);
    for _ in 0..HITS {
        let begun = Instant::now();
        black_box(store.realize(&target)?);
        times.push(begun.elapsed());
    }
    println!("{}", median(times).as_secs_f64());
    Ok(())
}

/// Measures both.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("joblib"));
    let medians = contest(
        options,
        "hit",
        "one stage",
        &mut [
            ("ours", &mut |_| said_time(child_of("hit")?.arg(&ours))),
            ("joblib", &mut |_| {
                said_time(python("hit.py")?.arg(HITS.to_string()).arg(&theirs))
            }),
        ],
    )?;
    let work = "one stage that is there, in a running process";
    table.add(Row::cost(work, medians[0], 30e-6));
    table.add(Row::ratio(
        work,
        medians[0],
        ("joblib.Memory", medians[1]),
        0.25,
    ));
    Ok(())
}
