//! One file of 1 GiB: pushed and pulled, beside `curl` and `sha256sum`.

use std::path::Path;
use std::process::Command;

use pylightnix::config::ConfigJson;
use pylightnix::prelude::*;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome};
use tests::s3::S3;

use super::asking;
use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// The size of the file.
const BYTES: u64 = 1 << 30;

/// What a push at 0.8 of the speed takes.
const BAR: f64 = 1.0 / 0.8;

/// Publishes a file of random bytes.
pub(super) fn fill(root: &Path) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    let mut draft = store.plumbing().draft()?;
    crate::cold::write(&draft.out().join("file"), 7, BYTES)?;
    let config = ConfigJson::from_json("{\n    \"name\": \"large\"\n}")?;
    let build = BuildRecord::now(BuildKind::Build);
    draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
    rustix::fs::sync();
    Ok(())
}

/// Returns a shell command that may use the server: `$1` is a file, `$2` an address.
fn curl(server: &S3, command: &str, file: &Path, name: &str) -> Command {
    let variables = server.variables();
    let value = |name: &str| -> String {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map_or(String::new(), |(_, value)| value.clone())
    };
    let mut shell = Command::new("sh");
    let signed =
        "curl --silent --show-error --fail --user \"$KEY\" --aws-sigv4 aws:amz:us-east-1:s3";
    let command = command.replace("curl", signed);
    shell.args(["-ec", &command, "sh"]).arg(file);
    shell.arg(format!("http://{}/test/{name}", server.address()));
    shell.env(
        "KEY",
        format!(
            "{}:{}",
            value("AWS_ACCESS_KEY_ID"),
            value("AWS_SECRET_ACCESS_KEY")
        ),
    );
    shell
}

/// Measures it.
pub(super) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let Some(server) = S3::shared() else {
        return Ok(());
    };
    let folder = options.folder()?;
    let root = folder.path().join("store");
    time(child_of("remotes")?.arg("large").arg(&root))?;
    let store = Store::open(&root)?;
    let rref = store.rrefs()?.pop().ok_or("no result")?;
    let file = store.out_dir(&rref).join("file");
    let mut last = 0;
    let medians = contest(
        options,
        "remotes",
        "push a large file",
        &mut [
            ("ours", &mut |round| {
                last = round;
                let mut push = asking(server, &root)?;
                time(push.args([
                    "push",
                    "--all",
                    "--remote",
                    &format!("s3://test/large-{round}"),
                ]))
            }),
            ("curl", &mut |round| {
                let command = "sha256sum \"$1\" && curl -T \"$1\" \"$2\"";
                time(&mut curl(server, command, &file, &format!("plain-{round}")))
            }),
        ],
    )?;
    let beside = ("sha256sum, then curl -T", medians[1]);
    table.add(Row::ratio(
        "push one file of 1 GiB",
        medians[0],
        beside,
        BAR,
    ));
    let medians = contest(
        options,
        "remotes",
        "pull a large file",
        &mut [
            ("ours", &mut |round| {
                let fresh = folder.path().join(format!("pulled-{round}"));
                let mut pull = asking(server, &fresh)?;
                time(pull.args([
                    "pull",
                    "--all",
                    "--remote",
                    &format!("s3://test/large-{last}"),
                ]))
            }),
            ("curl", &mut |round| {
                let fresh = folder.path().join(format!("plain-{round}"));
                let command = "curl -o \"$1\" \"$2\" && sha256sum \"$1\" && sync \"$1\"";
                time(&mut curl(server, command, &fresh, &format!("plain-{last}")))
            }),
        ],
    )?;
    let beside = ("curl -o, sha256sum, sync", medians[1]);
    table.add(Row::ratio(
        "pull one file of 1 GiB",
        medians[0],
        beside,
        BAR,
    ));
    Ok(())
}
