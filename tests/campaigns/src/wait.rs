//! `wait`: how long other processes wait while a large store is collected. The time depends on what the collection moves,
//! not on what it reads.

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::crowd::Member;
use crate::figures::Figures;
use crate::{Options, actor, unable};

const REALIZATIONS: usize = 10_000;
/// The limit for a wait, with this number of objects.
const LONGEST: Duration = Duration::from_secs(5);

/// Runs the campaign; the count is the number of realizations in the store.
///
/// # Errors
/// Fails if an actor cannot be started, or hangs.
pub fn wait(options: &Options) -> Result<Figures> {
    let count = options.count.unwrap_or(REALIZATIONS);
    let mut figures = Figures::default();
    println!(
        "of {count} realizations, while they are collected\n\n| to be removed | roots | collected in | longest alone | others \
         entered | worst wait | median | worst, nobody collecting | worst publishing | median | worst, nobody collecting |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (name, kept) in [
        ("none", count),
        ("one in a hundred", count / 100 * 99),
        ("half", count / 2),
        ("all", 0),
    ] {
        // On a disk, filling a store may take minutes after another one was removed.
        let (folder, _) = tests::runs::in_memory();
        let root = folder.path().join("store");
        let text = root.to_string_lossy().into_owned();
        let made = actor::run(&options.program, &["many", &text, &count.to_string()])?;
        if !made.is_good() {
            return Err(unable(format!("{made:?}")));
        }
        keep(&root, &made.acknowledged[..kept])?;
        let before = Waits::while_(&root, || Ok(false))?;
        let mut collector = Member::start(&options.program, &["gc", &text])?;
        let begun = Instant::now();
        let during = Waits::while_(&root, || collector.is_running())?;
        let took = begun.elapsed();
        let ended = collector.let_go()?;
        if !ended.is_good() {
            figures
                .violations
                .push(format!("the collection of {name}: {ended:?}"));
        }
        let left = Store::open(&root)?.rrefs()?.len();
        let published = before.published.count() + during.published.count();
        if left != kept + published {
            figures.violations.push(format!(
                "{left} realizations left of {kept} kept and {published} published meanwhile"
            ));
        }
        if during.entered.worst() > LONGEST {
            figures.violations.push(format!(
                "another process waited for {:?}",
                during.entered.worst()
            ));
        }
        let said = collector.said()?;
        let alone = said.lines().find_map(|line| line.strip_prefix("alone "));
        let alone: f64 = alone.unwrap_or("nan").parse()?;
        println!(
            "| {name} | {kept} | {:.0} ms | {:.2} ms | {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
            took.as_secs_f64() * 1e3,
            alone * 1e3,
            during.entered.count(),
            milliseconds(during.entered.worst()),
            milliseconds(during.entered.median()),
            milliseconds(before.entered.worst()),
            milliseconds(during.published.worst()),
            milliseconds(during.published.median()),
            milliseconds(before.published.worst()),
        );
        figures.rounds += 1;
    }
    Ok(figures)
}

/// Writes roots as files, as `add_root` would: this process must not use what they protect.
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

/// The waits of another process.
#[derive(Default)]
struct Waits {
    /// Taking the shared lock for a minimal operation.
    entered: Times,
    /// Publishing a small file with durability `None`.
    published: Times,
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn worst(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Waits {
    /// Takes the lock and publishes repeatedly while `go_on` returns `true`, at least a hundred times.
    fn while_(root: &Path, mut go_on: impl FnMut() -> Result<bool>) -> Result<Self> {
        let store = Store::open(root)?.with_durability(Durability::None);
        let mut waits = Waits::default();
        while go_on()? || waits.entered.count() < 100 {
            // A fresh derivation, because one that is in use already would not be recorded again.
            let fresh = uuid::Uuid::now_v7();
            let text = format!("{{\n    \"name\": \"other\",\n    \"of\": \"{fresh}\"\n}}");
            let config = ConfigJson::from_json(&text)?;
            let begun = Instant::now();
            store.plumbing().use_derivations([config.id()])?;
            waits.entered.0.push(begun.elapsed());
            let mut draft = store.plumbing().draft()?;
            std::fs::write(draft.out().join("text"), fresh.to_string())?;
            let build = BuildRecord::now(BuildKind::Build);
            let begun = Instant::now();
            draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
            waits.published.0.push(begun.elapsed());
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(waits)
    }
}
