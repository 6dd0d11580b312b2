//! `check` with contents, compared with `openssl dgst -sha256` of the same files, half of the bytes in each of two
//! processes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pylightnix::config::ConfigJson;
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};

use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// Sizes of files, the number of files of each size in a realization, and the number of such realizations: a third of a GiB
/// each.
const PARTS: &[(&str, u64, u64, u64)] = &[
    ("4 KiB", 4 << 10, 1_024, 85),
    ("1 MiB", 1 << 20, 31, 11),
    ("64 MiB", 64 << 20, 1, 5),
];

/// Checks a store, as a process.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [root] = args else {
        return Err("one store".into());
    };
    let report = Store::open(root)?.check().contents().run()?;
    match report.is_sound() {
        true => Ok(()),
        false => Err(format!("{report}").into()),
    }
}

/// Measures each size alone and all together.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let all = folder.path().join("all");
    for part in PARTS {
        let root = folder.path().join(part.0);
        fill(&root, part)?;
        fill(&all, part)?;
        measure(options, table, part.0, &root)?;
    }
    measure(options, table, "all three sizes", &all)
}

fn fill(root: &Path, (name, bytes, files, realizations): &(&str, u64, u64, u64)) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    for at in 0..*realizations {
        let mut draft = store.plumbing().draft()?;
        for file in 0..*files {
            let name = draft.out().join(format!("{file:05}"));
            crate::cold::write(&name, at << 20 | file, *bytes)?;
        }
        let text = format!("{{\n    \"name\": \"part\",\n    \"of\": \"{name} {at}\"\n}}");
        let config = ConfigJson::from_json(&text)?;
        let build = BuildRecord::now(BuildKind::Build);
        draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
    }
    Ok(())
}

fn measure(options: &Options, table: &mut Table, what: &str, root: &Path) -> Result<()> {
    let mut files = Vec::new();
    for rref in Store::open(root)?.rrefs()? {
        for entry in fs::read_dir(Store::open(root)?.out_dir(&rref))? {
            let path = entry?.path();
            files.push((path.metadata()?.size(), path));
        }
    }
    let bytes: u64 = files.iter().map(|(size, _)| size).sum();
    let work = format!(
        "`check --contents`, {} files, {what}, {:.2} GiB",
        files.len(),
        bytes as f64 / f64::from(1 << 30)
    );
    let halves = halves(files, root)?;
    let medians = contest(
        options,
        "check",
        what,
        &mut [
            ("ours", &mut |_| time(child_of("check")?.arg(root))),
            ("openssl", &mut |_| hash(&halves)),
        ],
    )?;
    table.add(Row::ratio(
        &work,
        medians[0],
        ("openssl, two processes", medians[1]),
        1.2,
    ));
    Ok(())
}

/// Splits the files into two lists with half of the bytes each, in the format of `xargs -0`.
fn halves(mut files: Vec<(u64, PathBuf)>, root: &Path) -> Result<[PathBuf; 2]> {
    files.sort();
    let mut lists = [(0, Vec::new()), (0, Vec::new())];
    for (size, path) in files.into_iter().rev() {
        let at = usize::from(lists[1].0 < lists[0].0);
        lists[at].0 += size;
        lists[at]
            .1
            .extend_from_slice(path.as_os_str().as_encoded_bytes());
        lists[at].1.push(0);
    }
    let paths = ["first", "second"].map(|name| root.with_extension(name));
    for (path, (_, list)) in paths.iter().zip(lists) {
        fs::write(path, list)?;
    }
    Ok(paths)
}

/// Measures two processes that hash one half each.
fn hash(halves: &[PathBuf; 2]) -> Result<Duration> {
    let begun = Instant::now();
    let mut children = Vec::new();
    for half in halves {
        // As many files per process as the system allows.
        let mut xargs = Command::new("xargs");
        xargs.args(["-0", "-s", "2000000", "openssl", "dgst", "-sha256"]);
        let file = fs::File::open(half)?;
        children.push(xargs.stdin(file).stdout(Stdio::null()).spawn()?);
    }
    for mut child in children {
        if !child.wait()?.success() {
            return Err("openssl failed".into());
        }
    }
    Ok(begun.elapsed())
}
