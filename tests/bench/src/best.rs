//! Choosing the best of 1,000 realizations by a number in a JSON artifact, compared with reading those files with
//! `serde_json` alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of realizations.
const REALIZATIONS: usize = 1_000;

/// A nondeterministic stage.
#[derive(Config)]
pub struct Trial {
    #[selfref("scores.json")]
    scores: SelfRef<Json<Scores>>,
}

type Scores = BTreeMap<String, f64>;

#[stage(nouts = 1_000, matcher = lowest(loss))]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    let loss = (b.index() * 7_919 % REALIZATIONS) as f64 / 4.0;
    let scores = [("accuracy", 1.0 - loss), ("loss", loss), ("steps", 1e4)];
    let scores = scores.map(|(name, score)| (name.to_owned(), score));
    Ok(TrialOutputs {
        scores: b.scores.save(&scores.into())?,
    })
}

fn loss(trial: &RRef<Trial>) -> Result<f64> {
    Ok(trial.scores.load()?["loss"])
}

/// Chooses with a matcher, or reads only the files in a list.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let best = match args {
        ["ours", root] => {
            let store = Store::open(root)?.with_durability(Durability::None);
            loss(&store.realize(&instantiate(Trial::new())?)?)?
        }
        ["serde", list] => {
            let mut best = f64::INFINITY;
            for path in fs::read_to_string(list)?.lines() {
                let scores: Scores = serde_json::from_slice(&fs::read(path)?)?;
                best = best.min(scores["loss"]);
            }
            best
        }
        _ => return Err("ours or serde, and a place".into()),
    };
    match best {
        0.0 => Ok(()),
        best => Err(format!("{best} is not the best").into()),
    }
}

/// Measures both as processes.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let root = folder.path().join("store");
    let ours = || -> Result<_> {
        let mut ours = child_of("best")?;
        ours.arg("ours").arg(&root);
        Ok(ours)
    };
    time(&mut ours()?)?;
    let list = folder.path().join("list");
    list_artifacts(&root, &list)?;
    // A folder that has just changed is not cached by the index.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let medians = contest(
        options,
        "best",
        "of 1,000",
        &mut [
            ("ours", &mut |_| time(&mut ours()?)),
            ("serde_json", &mut |_| {
                time(child_of("best")?.arg("serde").arg(&list))
            }),
        ],
    )?;
    let work = "the best of 1,000 realizations by a number in a JSON artifact";
    let theirs = ("serde_json on those files", medians[1]);
    table.add(Row::ratio(work, medians[0], theirs, 2.0));
    Ok(())
}

fn list_artifacts(root: &Path, list: &Path) -> Result<()> {
    let store = Store::open(root)?;
    let mut lines = String::new();
    let rrefs = store.rrefs()?;
    for rref in &rrefs {
        let path = store.out_dir(rref).join("scores.json");
        lines.extend([path.to_str().unwrap_or_default(), "\n"]);
    }
    match rrefs.len() {
        REALIZATIONS => Ok(fs::write(list, lines)?),
        found => Err(format!("{found} realizations of {REALIZATIONS}").into()),
    }
}
