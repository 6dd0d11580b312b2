//! A temporary failure to read an object is not damage: nothing is quarantined.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::RRefId;
use pylightnix::store::{Context, FaultKind, RepairAction, Store};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use tests::store::{
    Running, built, child, child_as_nobody, config, config_on, folder, objects, part, publish_on,
    publish_texts,
};

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = part() else { return };
    match part.as_str() {
        "few files" => few_files(&place),
        _ => closed_to_us(&place),
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Creates a store with `a` and `b`, which was made from `a`, and its backup, which has one more build record of `a`.
fn stores(place: &Path) -> (Store, Store, RRefId, RRefId) {
    let store = Store::open(place.join("store")).unwrap();
    let peer = Store::open(place.join("peer")).unwrap();
    let a = publish_texts(
        &store,
        &config("a"),
        &Context::empty(),
        &[("x", "xx"), ("y", "yy")],
    );
    let b = publish_on(&store, &config_on("b", &config("a")), &[&a], "b");
    peer.copy_from(&store, [&b]).unwrap();
    peer.plumbing()
        .add_build(&a, &built(), Some(b"said"))
        .unwrap();
    (store, peer, a, b)
}

/// Changes the content of an artifact.
fn damage(store: &Store, rref: &RRefId) {
    let path = store.out_dir(rref).join("x");
    mode(&path, 0o644);
    fs::write(&path, "zz").unwrap();
    mode(&path, 0o444);
}

fn quarantined(store: &Store) -> Vec<String> {
    let folder = store.root().join("quarantine");
    let found = fs::read_dir(folder).into_iter().flatten();
    found
        .map(|entry| format!("{:?}", entry.unwrap().path()))
        .collect()
}

#[test]
fn too_many_open_files_are_no_damage() {
    let place = folder();
    stores(place.path());
    let usual = child("few files", place.path());
    let mut few = Command::new("prlimit");
    few.arg("--nofile=64")
        .arg(usual.get_program())
        .args(usual.get_args());
    few.envs(
        usual
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    few.stdout(std::process::Stdio::piped());
    Running::start(few).end();
}

fn few_files(place: &Path) {
    let store = Store::open_existing(place.join("store")).unwrap();
    let peer = Store::open_existing(place.join("peer")).unwrap();
    let a = store
        .rrefs()
        .unwrap()
        .into_iter()
        .find(|rref| rref.name().as_str() == "a")
        .unwrap();
    let sound = objects(&store);
    let of_a = |path: &String| path.contains(&*a.folder());
    let (mut refusals, mut repairs) = (0, 0);
    for left in 1..56 {
        for is_damaged in [false, true] {
            if is_damaged {
                damage(&store, &a);
            }
            let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            held.truncate(held.len().saturating_sub(left));
            let report = store.repair().with(&peer).run();
            drop(held);
            match report {
                Ok(report) if !report.refused.is_empty() || !report.left.is_empty() => {
                    refusals += 1
                }
                Ok(report) => {
                    assert_eq!(report.repaired.len(), usize::from(is_damaged), "{report}");
                    repairs += 1;
                }
                Err(_) => refusals += 1,
            }
            let now = objects(&store);
            // Whatever came of the repair, no content is lost: neither artifacts nor build records.
            let damaged = store.out_dir(&a).join("x");
            let is_whole = fs::read(damaged).unwrap() == b"xx";
            assert!(is_whole || is_damaged, "with {left} files");
            for (path, found) in &sound {
                let is_damaged = !is_whole && of_a(path) && path.ends_with("out/x");
                assert!(
                    is_damaged || now.get(path) == Some(found),
                    "{path} with {left} files"
                );
            }
            assert!(
                is_whole
                    || quarantined(&store)
                        .iter()
                        .all(|path| !path.contains("record"))
            );
        }
        // The damaged original is in quarantine, and a good copy has replaced it.
        let aside = store.root().join("quarantine");
        fs::remove_dir_all(&aside).ok();
        store.repair().with(&peer).run().unwrap();
    }
    assert!(refusals > 3 && repairs > 3, "{refusals} and {repairs}");
}

#[test]
fn what_is_closed_to_this_user_is_no_damage() {
    let place = folder();
    stores(place.path());
    if fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .unwrap()
        == 0
    {
        let given = Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(place.path())
            .status();
        assert!(given.unwrap().success());
    }
    Running::start(child_as_nobody("closed", place.path())).end();
}

fn closed_to_us(place: &Path) {
    let store = Store::open_existing(place.join("store")).unwrap();
    let peer = Store::open_existing(place.join("peer")).unwrap();
    let found = |name: &str| {
        let all = store.rrefs().unwrap();
        all.into_iter()
            .find(|rref| rref.name().as_str() == name)
            .unwrap()
    };
    let (a, b) = (found("a"), found("b"));
    let record = store.realization_dir(&a).join("record");
    let build = fs::read_dir(store.realization_dir(&a))
        .unwrap()
        .find_map(|entry| {
            let path = entry.unwrap().path();
            path.extension()
                .is_some_and(|name| name == "json")
                .then_some(path)
        });
    let before = objects(&store);
    for (closed, usual) in [
        (record, 0o644),
        (build.unwrap(), 0o644),
        (store.derivation_dir(a.dref()).join("config.json"), 0o644),
        (store.realization_dir(&a), 0o755),
        (store.derivation_dir(a.dref()), 0o755),
    ] {
        let own = fs::metadata(&closed).unwrap().permissions().mode() & 0o777;
        assert_eq!(own & 0o400, usual & 0o400);
        mode(&closed, 0);
        let report = store.repair().with(&peer).run().unwrap();
        let checked = store.check().contents().run().unwrap();
        mode(&closed, own);
        let why = format!("{}: {report}", closed.display());
        assert!(report.repaired.is_empty(), "{why}");
        assert!(!report.left.is_empty(), "{why}");
        for fault in report.left.iter().chain(&checked.faults) {
            assert_eq!(fault.kind, FaultKind::Unreadable, "{why}");
            assert!(fault.message.contains("ermission denied"), "{why}");
        }
        // The other realizations are checked anyway.
        assert!(checked.realizations >= 1 && checked.files >= 1, "{checked}");
        assert_eq!(objects(&store), before, "{why}");
        assert_eq!(quarantined(&store), Vec::<String>::new(), "{why}");
    }
    // A permission is set, and then the file can be read.
    mode(&store.out_dir(&b).join("x"), 0);
    let report = store.repair().run().unwrap();
    let actions: Vec<_> = report
        .repaired
        .iter()
        .map(|repaired| repaired.action)
        .collect();
    assert_eq!(actions, [RepairAction::ModesSet], "{report}");
    assert_eq!(objects(&store), before);
    // While the good copy cannot be read, the damaged one stays in place.
    damage(&store, &a);
    for closed in [
        peer.out_dir(&a).join("x"),
        peer.derivation_dir(a.dref()),
        peer.root().join("store-v1"),
    ] {
        let own = fs::metadata(&closed).unwrap().permissions().mode() & 0o777;
        mode(&closed, 0);
        let report = store.repair().with(&peer).run().unwrap();
        mode(&closed, own);
        assert!(report.repaired.is_empty(), "{}: {report}", closed.display());
        assert_eq!(report.refused.len(), 1, "{}: {report}", closed.display());
        assert_eq!(quarantined(&store), Vec::<String>::new());
    }
    let builds = store.realization(&a).unwrap().builds().len();
    let report = store.repair().with(&peer).run().unwrap();
    assert_eq!(
        report.repaired[0].action,
        RepairAction::Replaced,
        "{report}"
    );
    assert_eq!(store.realization(&a).unwrap().builds().len(), builds);
    assert!(store.check().contents().run().unwrap().is_sound());
}
