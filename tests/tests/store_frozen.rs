//! A store of version 1, as it was written once: every later version can read it, finds it intact, reuses its results, and
//! can add to it.
//!
//! `tests/data/store-v1.tar.gz` was made by `cargo test -p tests --test store_frozen -- --ignored` with the stages below. It
//! is never regenerated for this version, because it represents the stores of users.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pylightnix::prelude::*;
use pylightnix::store::{Outcome, Removal};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tests::store::folder;

const FROZEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/store-v1.tar.gz");

/// A stage with two realizations in the store, from two seeds.
#[derive(Config)]
struct FrozenDraw {
    #[selfref("draw.json")]
    out: SelfRef<Json<u64>>,
    seed: u64,
    #[config(default, omit_default)]
    bias: u64,
}

#[stage(version = 1, nouts = 2, matcher = highest(value))]
fn frozen_draw(b: &Build<FrozenDraw>) -> Result<FrozenDrawOutputs> {
    println!("drawing from {}", b.seed);
    let out = b.out.save(&(b.seed * 10 + b.index() as u64 + b.bias))?;
    Ok(FrozenDrawOutputs { out })
}

fn value(draw: &RRef<FrozenDraw>) -> Result<u64> {
    Ok(draw.out.load()?)
}

/// A stage with each kind of entry, made from a draw.
#[derive(Config)]
struct FrozenTree {
    #[selfref("tree")]
    out: SelfRef,
    #[dref]
    draw: DRef<FrozenDraw>,
}

#[stage(version = 1)]
fn frozen_tree(b: &Build<FrozenTree>) -> Result<()> {
    let out = b.out.path();
    fs::create_dir_all(out.join("below/empty"))?;
    fs::write(out.join("below/number.txt"), b.draw.out.load()?.to_string())?;
    fs::write(out.join("run.sh"), "#!/bin/sh\n")?;
    Command::new("chmod")
        .arg("755")
        .arg(out.join("run.sh"))
        .status()?;
    std::os::unix::fs::symlink("below/number.txt", out.join("link"))?;
    Ok(())
}

/// A fallible stage with a recorded failure.
#[derive(Config)]
struct FrozenFailure {
    #[dref]
    draw: DRef<FrozenDraw>,
}

#[stage(version = 1, fallible)]
fn frozen_failure(b: &Build<FrozenFailure>) -> Result<()> {
    Err(format!("{} is no good", b.draw.out.load()?).into())
}

type Plan = (Vec<DRef<FrozenTree>>, DRef<FrozenFailure, Try<One>>);

fn plan() -> Plan {
    let draw = |seed| instantiate(FrozenDraw::new(seed)).unwrap();
    let tree = |seed| instantiate(FrozenTree::new(draw(seed))).unwrap();
    let failure = instantiate(FrozenFailure::new(draw(1))).unwrap();
    (vec![tree(1), tree(2)], failure)
}

/// Unpacks the store as it was written.
fn frozen() -> (TempDir, Store) {
    let folder = folder();
    let bytes = GzDecoder::new(File::open(FROZEN).unwrap());
    let mut archive = tar::Archive::new(bytes);
    archive.set_preserve_permissions(true);
    archive.unpack(folder.path()).unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    (folder, store)
}

/// Removes machine-specific fields from a build record.
fn without_this_machine(path: &Path) {
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    record["host"] = "lab".into();
    record["user"] = "ada".into();
    record["command"] = ["experiment"].as_slice().into();
    if let Some(record) = record.as_object_mut() {
        for of_this_machine in ["commit", "dirty", "difference", "environment"] {
            record.remove(of_this_machine);
        }
    }
    fs::write(path, format!("{record:#}\n")).unwrap();
}

#[test]
#[ignore = "makes the frozen store"]
fn make_it() {
    assert!(!Path::new(FROZEN).exists(), "it is made once");
    let folder = folder();
    let store = Store::open(folder.path().join("store")).unwrap();
    let (trees, _) = store.realize(&plan()).unwrap();
    store.add_root("first", trees[0].id()).unwrap();
    drop(store);
    for transient in ["cache", "leases", "tmp", "reserved"] {
        let path = folder.path().join("store").join(transient);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    for path in tests::store::snapshot(&folder.path().join("store/store-v1")).keys() {
        let path = folder.path().join("store/store-v1").join(path);
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("build-")
            && path.extension().is_some_and(|end| end == "json")
        {
            without_this_machine(&path);
        }
    }
    let mut archive = tar::Builder::new(GzEncoder::new(
        File::create(FROZEN).unwrap(),
        Compression::best(),
    ));
    archive.follow_symlinks(false);
    archive
        .append_dir_all("store", folder.path().join("store"))
        .unwrap();
    archive.into_inner().unwrap().finish().unwrap();
}

#[test]
fn it_is_sound_and_all_of_it_is_found() {
    let (_folder, store) = frozen();
    let check = store.check().contents().run().unwrap();
    assert!(check.is_sound(), "{check}");
    let rrefs: Vec<String> = (store.rrefs().unwrap().iter())
        .map(ToString::to_string)
        .collect();
    assert_eq!(rrefs, RREFS);
    assert_eq!(store.roots().unwrap()[0].name, "first");
    let (trees, failure) = plan();
    let failed = &store.realizations_of(failure.id()).unwrap()[0];
    assert_eq!(failed.outcome, Outcome::Failed);
    let draws = store.realizations_of(trees[0].draw.id()).unwrap();
    let mut runs: Vec<_> = (draws.iter())
        .flat_map(|draw| draw.builds().iter().map(|build| (build.index, build.of)))
        .collect();
    runs.sort_unstable();
    assert_eq!(runs, [(Some(0), Some(2)), (Some(1), Some(2))]);
    assert!(
        draws
            .iter()
            .all(|draw| draw.builds()[0].fingerprint.is_some())
    );
}

#[test]
fn nothing_of_it_is_made_again_and_new_things_are_made_from_it() {
    let (_folder, store) = frozen();
    let ((trees, failure), report) = Realize::new(&store).run_reporting(&plan()).unwrap();
    assert_eq!((report.built, report.stages), (0, 5));
    assert_eq!(
        fs::read_to_string(trees[0].out.path().join("link")).unwrap(),
        "11"
    );
    assert!(failure.unwrap_err().text().contains("11 is no good"));
    // The field `bias` was added later: with its default it does not change the reference, with another value it does.
    let other = FrozenDraw {
        bias: 5,
        ..FrozenDraw::new(1)
    };
    let other = instantiate(FrozenTree::new(instantiate(other).unwrap())).unwrap();
    let (other, report) = Realize::new(&store).run_reporting(&other).unwrap();
    assert_eq!(report.built, 2);
    assert_eq!(
        fs::read_to_string(other.out.path().join("link")).unwrap(),
        "16"
    );
    let check = store.check().contents().run().unwrap();
    assert!(check.is_sound(), "{check}");
}

#[test]
fn it_is_packed_copied_and_collected() {
    let (folder, store) = frozen();
    let all = store.rrefs().unwrap();
    let archive = folder.path().join("all.zip");
    store.pack(&all, &archive).unwrap();
    let unpacked = Store::open(folder.path().join("unpacked")).unwrap();
    unpacked.unpack(&archive).unwrap();
    let copied = Store::open(folder.path().join("copied")).unwrap();
    copied.copy_from(&store, &all).unwrap();
    for other in [&unpacked, &copied] {
        assert_eq!(other.rrefs().unwrap(), all);
        let check = other.check().contents().run().unwrap();
        assert!(check.is_sound(), "{check}");
    }
    let (_folder, unused) = tests::store::unused(&store);
    let report = unused.gc().run().unwrap();
    // The root keeps one tree, and the draw that it was made from.
    assert_eq!((report.realizations.len(), report.kept), (5, 2));
    Removal::run(
        unused
            .remove(&unused.rrefs().unwrap()[0])
            .with_dependents()
            .force(),
    )
    .unwrap();
}

/// The references of all realizations in the store.
const RREFS: [&str; 7] = [
    "rref:4589ce6ce1c5bc70d2c4ec904e513b6f-322c382c153686b25b6317e22061a2ea-frozen_draw",
    "rref:783f4418b19e5f16848a487a37710c09-74ff46b403b8241e80806db2e9665400-frozen_tree",
    "rref:a9679c037afe87a2668c55c0a2e084a2-bbd7eee7631ea45e5d7b0f2843198c97-frozen_draw",
    "rref:b02da21e49f99939f2375a238e35e830-abd8fa1673ebef875cefdd3c340e9548-frozen_failure",
    "rref:cf9c9bf30ddfff0be3fcdcfc295209fd-322c382c153686b25b6317e22061a2ea-frozen_draw",
    "rref:db3939dd21087844566614b661d6833a-88cd2a2620c97b27ff4cc422e364e8f3-frozen_tree",
    "rref:e53219a32c932bf9cecee946dab5f74b-bbd7eee7631ea45e5d7b0f2843198c97-frozen_draw",
];
