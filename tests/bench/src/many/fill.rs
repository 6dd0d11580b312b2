//! Stores with many realizations.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};

/// How many realizations, whatever the shape.
pub(crate) const REALIZATIONS: usize = 100_000;
/// So many derivations have one dependency together, the first of them.
const GROUP: usize = 100;
/// How old the half is that is to go.
const OLD: Duration = Duration::from_secs(30 * DAY);
pub(super) const DAY: u64 = 24 * 60 * 60;

/// How they are arranged.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// How many realizations a derivation has.
    pub(crate) each: usize,
    /// How many names there are, `stage_0` and so on, which take turns.
    pub(crate) names: usize,
}

/// Which half of the groups: the one that is to go is old.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Stays,
    Goes,
}

/// Publishes half of the realizations; another `round` makes other ones. They take turns: a group stays, the next one goes.
pub(crate) fn fill(root: &Path, shape: Shape, half: Half, round: usize) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    let groups = REALIZATIONS / shape.each / GROUP;
    let wanted = |group: &usize| (group % 2 == 1) == (half == Half::Goes);
    let groups: Vec<usize> = (0..groups).filter(wanted).collect();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let parts = groups.chunks(groups.len().div_ceil(threads));
        let workers = parts.map(|part| {
            let fill = || -> Result<(), String> {
                let mut groups = part.iter();
                groups.try_for_each(|at| {
                    group(&store, *at, shape, half, round).map_err(|error| error.to_string())
                })
            };
            scope.spawn(fill)
        });
        let workers: Vec<_> = workers.collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

fn group(store: &Store, group: usize, shape: Shape, half: Half, round: usize) -> Result<()> {
    let mut first: Option<RRefId> = None;
    for member in 0..GROUP {
        let at = group * GROUP + member;
        let dependency = match &first {
            Some(first) => format!(",\n    \"from\": \"{}\"", first.dref()),
            None => String::new(),
        };
        let config = ConfigJson::from_json(&format!(
            "{{\n    \"name\": \"stage_{}\",\n    \"number\": {at},\n    \"round\": {round},\n    \"rate\": 0.25{dependency}\n}}",
            at % shape.names,
        ))?;
        let context: Context = first.iter().cloned().collect();
        for realization in 0..shape.each {
            let mut draft = store.plumbing().draft()?;
            let score = format!("{{\"score\": {realization}.5, \"of\": {at}}}");
            fs::write(draft.out().join("score.json"), score)?;
            let mut build = BuildRecord::now(BuildKind::Build);
            build.fingerprint = Some("0123456789abcdef0123456789abcdef".to_owned());
            if half == Half::Goes {
                build.start -= OLD;
                build.stop -= OLD;
            }
            let published = draft.publish(&config, &context, Outcome::Ok, &build)?;
            first.get_or_insert(published.id);
        }
    }
    Ok(())
}
