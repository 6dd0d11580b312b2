//! Runs with nothing to do that ask for signatures: the first one verifies them all, later ones remember that.

use std::hint::black_box;
use std::path::Path;

use pylightnix::keys::{Keys, Trust};
use pylightnix::prelude::*;
use pylightnix::store::Durability;

use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::plans::plan;
use crate::table::{Row, Table};

/// How many stages.
const STAGES: u64 = 100_000;

/// How much more the first run may take, in seconds.
const MORE: f64 = 6.0;

/// Realizes a plan: signing, trusting what one key signed, or trusting all.
pub(super) fn child(args: &[&str]) -> Result<()> {
    let [how, keys, root] = args else {
        return Err("how, a folder of keys and a store".into());
    };
    let keys = Keys::at(*keys);
    let store = Store::open(root)?.with_durability(Durability::None);
    let stages = plan("layers", STAGES)?;
    match *how {
        "sign" => {
            keys.generate("alice")?;
            black_box(store.with_keys(keys).realize(&stages)?);
        }
        "trust" => {
            let trust = Trust::new(&keys, 1, ["alice"])?;
            black_box(Realize::new(&store).trust(trust).run(&stages)?);
        }
        _ => drop(black_box(store.realize(&stages)?)),
    }
    Ok(())
}

/// Measures it.
pub(super) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let (root, keys) = (folder.path().join("store"), folder.path().join("keys"));
    let run = |how: &str| {
        let mut command = child_of("remotes")?;
        time(command.args(["trusted", how]).arg(&keys).arg(&root))
    };
    run("sign")?;
    run("any")?;
    run("trust")?;
    let medians = contest(
        options,
        "remotes",
        "trusted",
        &mut [
            ("first", &mut |_| {
                forget(&root)?;
                run("trust")
            }),
            ("later", &mut |_| run("trust")),
            ("any", &mut |_| run("any")),
        ],
    )?;
    let work = "nothing to do, 100,000 signed stages: the first run that asks for signatures, more";
    table.add(Row::cost(work, (medians[0] - medians[2]).max(0.0), MORE));
    let work = "the same, a later one";
    let beside = ("without asking", medians[2]);
    table.add(Row::ratio(work, medians[1], beside, 1.2).only_told());
    Ok(())
}

/// Removes what is remembered of signatures.
fn forget(root: &Path) -> Result<()> {
    let cache = root.join("cache");
    for entry in std::fs::read_dir(&cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains("sign") {
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}
