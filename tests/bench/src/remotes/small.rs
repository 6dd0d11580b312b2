//! Many small results: pushed beside a program that hashes and compresses the same files, pulled beside unpacking an archive of them, and
//! the requests of both.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use pylightnix::config::ConfigJson;
use pylightnix::prelude::*;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome};
use sha2::{Digest as _, Sha256};
use tests::s3::{Proxy, S3};

use super::{asking, pylightnix};
use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// How many results.
const RESULTS: usize = 100_000;

/// Publishes independent results with a file of a few words each.
pub(super) fn fill(root: &Path, count: usize) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    for number in 0..count {
        let config = format!("{{\n    \"name\": \"small\",\n    \"number\": {number}\n}}");
        let mut draft = store.plumbing().draft()?;
        let text = format!(
            "{{\"number\": {number}, \"root\": {}}}",
            (number as f64).sqrt()
        );
        fs::write(draft.out().join("number.json"), text)?;
        let build = BuildRecord::now(BuildKind::Build);
        draft.publish(
            &ConfigJson::from_json(&config)?,
            &Context::empty(),
            Outcome::Ok,
            &build,
        )?;
    }
    Ok(())
}

/// Hashes each file of each realization, and writes one compressed member a realization, on two threads: what a push cannot do without.
pub(super) fn members(root: &Path, pack: &Path) -> Result<()> {
    let mut realizations = Vec::new();
    for derivation in fs::read_dir(root.join("store-v1"))? {
        for inside in fs::read_dir(derivation?.path())? {
            let inside = inside?;
            if inside.file_type()?.is_dir() {
                realizations.push(inside.path());
            }
        }
    }
    let (next, pack) = (
        AtomicUsize::new(0),
        Mutex::new(BufWriter::new(File::create(pack)?)),
    );
    let work = || -> std::io::Result<u8> {
        let mut sum = 0;
        while let Some(folder) = realizations.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut member = GzEncoder::new(Vec::new(), Compression::new(6));
            for file in files(folder)? {
                let bytes = fs::read(file)?;
                sum ^= Sha256::digest(&bytes)[0];
                member.write_all(&bytes)?;
            }
            let member = member.finish()?;
            let mut pack = pack.lock().map_err(|_| std::io::Error::other("a panic"))?;
            pack.write_all(&member)?;
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work()?;
        let other = other.join().map_err(|_| "a thread panicked")??;
        std::hint::black_box(own ^ other);
        Ok(())
    })
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files.extend(self::files(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    Ok(files)
}

/// Measures them.
pub(super) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let Some(server) = S3::shared() else {
        return Ok(());
    };
    let folder = options.folder()?;
    let at = |name: &str| folder.path().join(name);
    let root = at("store");
    time(
        child_of("remotes")?
            .arg("fill")
            .arg(&root)
            .arg(RESULTS.to_string()),
    )?;
    rustix::fs::sync();
    let what = "100,000 results of one small file";
    let remote = |round: usize| format!("s3://test/small-{round}");
    let mut last = 0;
    let medians = contest(
        options,
        "remotes",
        "push",
        &mut [
            ("ours", &mut |round| {
                last = round;
                let mut push = asking(server, &root)?;
                time(push.args(["push", "--all", "--remote", &remote(round)]))
            }),
            ("hash and compress", &mut |round| {
                let mut members = child_of("remotes")?;
                time(
                    members
                        .arg("members")
                        .arg(&root)
                        .arg(at(&format!("pack-{round}"))),
                )
            }),
        ],
    )?;
    let beside = ("hash and compress", medians[1]);
    table.add(Row::ratio(&format!("push {what}"), medians[0], beside, 2.0));

    let archive = at("archive.zip");
    time(pylightnix(&root)?.args(["pack", "--all"]).arg(&archive))?;
    let medians = contest(
        options,
        "remotes",
        "pull",
        &mut [
            ("ours", &mut |round| {
                let mut pull = asking(server, &at(&format!("pulled-{round}")))?;
                time(pull.args(["pull", "--all", "--remote", &remote(last)]))
            }),
            ("unpack", &mut |round| {
                let mut unpack = pylightnix(&at(&format!("unpacked-{round}")))?;
                time(unpack.arg("unpack").arg(&archive))
            }),
        ],
    )?;
    let beside = ("unpack", medians[1]);
    table.add(Row::ratio(&format!("pull {what}"), medians[0], beside, 2.0).only_told());

    // The proxy counts.
    let proxy = Proxy::new(server.address());
    let counted = |root: &Path, command: &str, remote: &str| -> Result<usize> {
        let mut asking = asking(server, root)?;
        asking.env("AWS_ENDPOINT", proxy.endpoint());
        time(asking.args([command, "--all", "--remote", remote]))?;
        Ok(proxy.asked().len())
    };
    let fresh = "s3://test/small-counted";
    let sent = counted(&root, "push", fresh)?;
    table.add(Row::count(&format!("push {what}: requests"), sent, 10));
    let again = counted(&root, "push", fresh)?;
    table.add(Row::count("the same with nothing new: requests", again, 1));
    let fetched = counted(&at("counted"), "pull", fresh)?;
    table.add(Row::count(&format!("pull {what}: requests"), fetched, 10));
    let seconds = contest(
        options,
        "remotes",
        "push, nothing new",
        &mut [("ours", &mut |_| {
            let mut push = asking(server, &root)?;
            time(push.args(["push", "--all", "--remote", fresh]))
        })],
    )?;
    let figure = crate::table::time(seconds[0]);
    table.add(Row::fact(&format!("push {what}, nothing new"), figure));
    Ok(())
}
