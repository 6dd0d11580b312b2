//! A copy over ssh, beside one to another folder.

use std::fs;
use std::os::unix::fs::symlink;

use pylightnix::prelude::Result;

use super::{program, pylightnix};
use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// How many results.
const RESULTS: usize = 10_000;

/// Measures it.
pub(super) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let at = |name: &str| folder.path().join(name);
    let Some(ssh) = tests::ssh::client(folder.path()) else {
        return Ok(());
    };
    fs::create_dir(at("bin"))?;
    symlink(program()?, at("bin/pylightnix"))?;
    let root = at("store");
    let mut fill = child_of("remotes")?;
    time(fill.arg("fill").arg(&root).arg(RESULTS.to_string()))?;
    rustix::fs::sync();
    let copy = |to: String| -> Result<_> {
        let mut copy = pylightnix(&root)?;
        copy.env("PYLIGHTNIX_SSH", &ssh);
        time(copy.args(["copy", "--all", "--to", &to]))
    };
    let medians = contest(
        options,
        "remotes",
        "ssh",
        &mut [
            ("ssh", &mut |round| {
                copy(format!(
                    "ssh://there{}",
                    at(&format!("ssh-{round}")).display()
                ))
            }),
            ("copy", &mut |round| {
                copy(at(&format!("copied-{round}")).display().to_string())
            }),
        ],
    )?;
    let work = "copy 10,000 results to a store at the other end of ssh";
    let beside = ("copy to a folder", medians[1]);
    table.add(Row::ratio(work, medians[0], beside, 3.0));
    Ok(())
}
