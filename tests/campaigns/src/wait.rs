//! `wait`: how long another process waits while a large store is collected. What the collection has to move decides that,
//! not what it has to read.

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::crowd::Member;
use crate::figures::Figures;
use crate::{Options, actor, unable};

const REALIZATIONS: usize = 10_000;
/// Nobody should wait longer, for so many.
const LONGEST: Duration = Duration::from_secs(5);

/// Runs it; the count is that of realizations in the store.
///
/// # Errors
/// An actor that cannot be started, or hangs.
pub fn wait(options: &Options) -> Result<Figures> {
    let count = options.count.unwrap_or(REALIZATIONS);
    let mut figures = Figures::default();
    for (name, kept) in [
        ("none", count),
        ("one in a hundred", count / 100 * 99),
        ("half", count / 2),
        ("all", 0),
    ] {
        let folder = tests::store::folder();
        let root = folder.path().join("store");
        let text = root.to_string_lossy().into_owned();
        let made = actor::run(&options.program, &["many", &text, &count.to_string()])?;
        if !made.is_good() {
            return Err(unable(format!("{made:?}")));
        }
        keep(&root, &made.acknowledged[..kept])?;
        let before = worst(&root, || Ok(false))?;
        let mut collector = Member::start(&options.program, &["gc", &text])?;
        let begun = Instant::now();
        let during = worst(&root, || collector.is_running())?;
        let took = begun.elapsed();
        let ended = collector.let_go()?;
        if !ended.is_good() {
            figures
                .violations
                .push(format!("the collection of {name}: {ended:?}"));
        }
        let left = Store::open_at(&root)?.rrefs()?.len();
        if left != kept {
            figures
                .violations
                .push(format!("{left} realizations left of {kept} kept"));
        }
        if during.worst > LONGEST {
            figures
                .violations
                .push(format!("another process waited for {:?}", during.worst));
        }
        println!(
            "of {count} realizations, {name} to be removed: collected in {took:?}; another process entered {} times, \
             waiting {:?} at worst, {:?} in the middle (nobody collecting: {:?}, {:?})",
            during.count, during.worst, during.median, before.worst, before.median
        );
        figures.rounds += 1;
    }
    Ok(figures)
}

/// Roots by their files, as `add_root` would write them: this process must not use what it keeps.
fn keep(root: &Path, rrefs: &[RRefId]) -> Result<()> {
    for (at, rref) in rrefs.iter().enumerate() {
        std::fs::write(
            root.join("roots").join(format!("kept-{at}")),
            format!("{rref}\n"),
        )
        .map_err(|error| unable(error.to_string()))?;
    }
    Ok(())
}

struct Waits {
    count: usize,
    worst: Duration,
    median: Duration,
}

/// Enters again and again for the smallest thing there is, as long as `go_on` says; a hundred times at least.
fn worst(root: &Path, mut go_on: impl FnMut() -> Result<bool>) -> Result<Waits> {
    let store = Store::open_at(root)?;
    let mut waits = Vec::new();
    while go_on()? || waits.len() < 100 {
        // What is in use already would not have to be said.
        let fresh = uuid::Uuid::now_v7();
        let text = format!("{{\n    \"name\": \"other\",\n    \"of\": \"{fresh}\"\n}}");
        let config = ConfigJson::from_json(&text)?;
        let begun = Instant::now();
        store.use_derivations([config.id()])?;
        waits.push(begun.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    waits.sort_unstable();
    Ok(Waits {
        count: waits.len(),
        worst: waits[waits.len() - 1],
        median: waits[waits.len() / 2],
    })
}
