//! Copying a store of one realization to another one.

use std::path::Path;

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use super::archives::shell;
use super::load::{Load, into_new};
use crate::contest::contest;
use crate::measure::child as child_of;
use crate::options::Options;
use crate::table::{Row, Table};

/// Copies all of a store into a new one.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let from = Store::open(from)?;
    let to = Store::open(to)?.with_durability(Durability::None);
    to.copy_from(&from, from.rrefs()?)?;
    Ok(())
}

/// Measures the store at `root`.
pub(super) fn run(
    options: &Options,
    table: &mut Table,
    folder: &Path,
    (load, root): (&Load, &Path),
) -> Result<()> {
    let objects = root.join("store-v1");
    let mut ours = |round| {
        into_new(folder, load, &format!("{round}-copied"), |target| {
            let mut command = child_of("bulk")?;
            command.arg("copy").arg(root).arg(target);
            Ok(command)
        })
    };
    let command = r#"cp -r --reflink=auto "$1" "$2""#;
    let mut theirs = |round| {
        into_new(folder, load, &format!("{round}-cp"), |target| {
            Ok(shell(command, &objects, target))
        })
    };
    let medians = contest(
        options,
        "bulk",
        &format!("copy {}", load.name),
        &mut [("ours", &mut ours), ("cp", &mut theirs)],
    )?;
    let work = format!("copy {} to another store", load.what);
    table.add(Row::ratio(
        &work,
        medians[0],
        ("cp -r --reflink=auto", medians[1]),
        1.2,
    ));
    Ok(())
}
