//! Checks find and name every fault. Repairs restore what exists elsewhere, and touch nothing else.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::RRefId;
use pylightnix::store::{
    CheckReport, Context, Fault, FaultKind, RepairAction, RepairReport, Store,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tests::store::{
    built, config, config_on, forget_context, objects, publish, publish_on, publish_texts,
    snapshot, store,
};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A store with a <- b <- c, and d, which is like a.
struct Made {
    _folder: tempfile::TempDir,
    store: Store,
    a: RRefId,
    b: RRefId,
    c: RRefId,
    out: PathBuf,
}

fn made() -> Made {
    let (_folder, store) = store();
    let files = [("x", "xx"), ("deep/run", "run"), ("deep/y", "yy")];
    let mut draft = store.plumbing().draft().unwrap();
    fs::create_dir_all(draft.out().join("deep/empty")).unwrap();
    for (path, text) in files {
        fs::write(draft.out().join(path), text).unwrap();
    }
    symlink("x", draft.out().join("link")).unwrap();
    mode(&draft.out().join("deep/run"), 0o755);
    let a = publish(&mut draft, &config("a")).unwrap().id;
    let b = publish_on(&store, &config_on("b", &config("a")), &[&a], "b");
    let c = publish_on(
        &store,
        &config_on("c", &config_on("b", &config("a"))),
        &[&b],
        "c",
    );
    let out = store.out_dir(&a);
    Made {
        _folder,
        store,
        a,
        b,
        c,
        out,
    }
}

impl Made {
    fn check(&self) -> CheckReport {
        let before = snapshot(self.store.root());
        let report = self.store.check().contents().run().unwrap();
        assert_eq!(snapshot(self.store.root()), before);
        report
    }

    /// Returns the only fault.
    fn fault(&self) -> Fault {
        let report = self.check();
        assert_eq!(report.faults.len(), 1, "{report}");
        let text = report.to_string();
        let fault = report.faults.into_iter().next().unwrap();
        assert!(text.contains(fault.path.to_str().unwrap()), "{text}");
        assert!(text.contains("help: "), "{text}");
        fault
    }

    /// Changes the artifacts of a, which are made writable for it.
    fn change(&self, change: impl FnOnce(&Path)) {
        for folder in ["", "deep", "deep/empty"] {
            mode(&self.out.join(folder), 0o755);
        }
        change(&self.out);
        for folder in ["", "deep", "deep/empty"] {
            if self
                .out
                .join(folder)
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir())
            {
                mode(&self.out.join(folder), 0o555);
            }
        }
    }
}

/// Replaces a read-only file.
fn put(path: &Path, text: &str) {
    let found = fs::metadata(path).unwrap().permissions();
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, found).unwrap();
}

#[test]
fn a_sound_store_is_sound() {
    let made = made();
    made.store.add_root("c", &made.c).unwrap();
    let report = made.check();
    assert!(report.is_sound() && report.faults.is_empty(), "{report}");
    assert_eq!((report.realizations, report.files), (3, 5));
    assert_eq!(report.bytes, 2 + 3 + 2 + 1 + 1);
    let report = made.store.check().run().unwrap();
    assert_eq!((report.realizations, report.files), (3, 0));
}

#[test]
fn damaged_artifacts_are_named_with_what_depends_on_them() {
    type Damage = (&'static str, &'static str, FaultKind, fn(&Path));
    let damages: [Damage; 11] = [
        (
            "x",
            "does not match the digest",
            FaultKind::Artifact,
            |out| put(&out.join("x"), "xy"),
        ),
        ("x", "has 1 bytes", FaultKind::Artifact, |out| {
            put(&out.join("x"), "x")
        }),
        ("deep/y", "is missing", FaultKind::Artifact, |out| {
            fs::remove_file(out.join("deep/y")).unwrap();
        }),
        ("deep", "is missing", FaultKind::Artifact, |out| {
            fs::remove_dir_all(out.join("deep")).unwrap();
        }),
        (
            "deep/new",
            "is not in its record",
            FaultKind::Artifact,
            |out| {
                fs::write(out.join("deep/new"), "").unwrap();
            },
        ),
        ("link", "has another target", FaultKind::Artifact, |out| {
            fs::remove_file(out.join("link")).unwrap();
            symlink("y", out.join("link")).unwrap();
        }),
        ("x", "is not a file", FaultKind::Artifact, |out| {
            fs::remove_file(out.join("x")).unwrap();
            symlink("deep/y", out.join("x")).unwrap();
        }),
        (
            "deep/empty",
            "is not a folder",
            FaultKind::Artifact,
            |out| {
                fs::remove_dir(out.join("deep/empty")).unwrap();
                fs::write(out.join("deep/empty"), "").unwrap();
            },
        ),
        ("x", "has the mode 644", FaultKind::Mode, |out| {
            mode(&out.join("x"), 0o644)
        }),
        ("deep/run", "has the mode 444", FaultKind::Mode, |out| {
            mode(&out.join("deep/run"), 0o444)
        }),
        (
            "x",
            "does not match the digest",
            FaultKind::Artifact,
            |out| put(&out.join("x"), "\0\0"),
        ),
    ];
    for (path, message, kind, damage) in damages {
        let made = made();
        made.change(damage);
        let fault = made.fault();
        assert_eq!(
            (fault.kind, &fault.rref),
            (kind, &Some(made.a.clone())),
            "{fault}"
        );
        assert_eq!(fault.path, made.out.join(path));
        assert!(fault.message.contains(message), "{fault}");
        let mut dependents = vec![made.b.clone(), made.c.clone()];
        dependents.sort_unstable();
        assert_eq!(fault.dependents, dependents);
        // Only the requested realizations are checked.
        assert!(
            made.store
                .check()
                .contents()
                .only([&made.b])
                .run()
                .unwrap()
                .is_sound()
        );
        assert!(
            !made
                .store
                .check()
                .contents()
                .only([&made.a])
                .run()
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn a_record_that_does_not_say_from_what_is_named() {
    let made = made();
    let c = forget_context(&made.store, &made.c);
    let fault = made.fault();
    assert_eq!((fault.kind, fault.rref), (FaultKind::Context, Some(c)));
    let wanted = format!("names no realization of {}", made.b.dref());
    assert!(fault.message.contains(&wanted), "{}", fault.message);
}

#[test]
fn damaged_records_and_configs_are_named() {
    let made = made();
    let record = made.store.realization_dir(&made.b).join("record");
    let text = fs::read_to_string(&record).unwrap();
    for broken in [
        "",
        "pylightnix-realization-v1\n",
        &text.replace("res ok", "res failed"),
    ] {
        fs::write(&record, broken).unwrap();
        let fault = made.fault();
        assert_eq!((fault.kind, &fault.path), (FaultKind::Record, &record));
        assert_eq!(fault.dependents, std::slice::from_ref(&made.c));
    }
    fs::remove_file(&record).unwrap();
    let report = made.check();
    // It is missing, and so is the dependency of c.
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert!(
        kinds.contains(&FaultKind::Record) && kinds.contains(&FaultKind::Context),
        "{report}"
    );
    fs::write(&record, &text).unwrap();

    let path = made.store.derivation_dir(made.a.dref()).join("config.json");
    fs::write(&path, "{}").unwrap();
    let fault = made.fault();
    assert_eq!((fault.kind, &fault.path), (FaultKind::Config, &path));
    assert_eq!(fault.dependents.len(), 3);
    fs::remove_file(&path).unwrap();
    assert!(made.fault().message.contains("is missing"));
}

#[test]
fn what_is_missing_or_strange_is_named() {
    let made = made();
    let aside = made.store.root().with_file_name("aside");
    fs::rename(made.store.realization_dir(&made.a), &aside).unwrap();
    let fault = made.fault();
    assert_eq!(fault.kind, FaultKind::Context);
    assert_eq!(fault.rref, Some(made.b.clone()));
    assert!(fault.message.contains(&made.a.to_string()), "{fault}");
    assert_eq!(fault.dependents, std::slice::from_ref(&made.c));
    let report = made.store.check().only([&made.a]).run().unwrap();
    assert_eq!(report.faults[0].dependents.len(), 2, "{report}");
    made.store.add_root("b", &made.b).unwrap();
    fs::rename(&aside, made.store.realization_dir(&made.a)).unwrap();

    let build = "build-01890a5d-ac96-774b-bcce-b302099a8057.json";
    let build = made.store.realization_dir(&made.a).join(build);
    fs::write(&build, "{}").unwrap();
    assert_eq!(made.fault().kind, FaultKind::BuildRecord);
    fs::remove_file(&build).unwrap();

    for strange in [
        made.store.root().join("note"),
        made.store.root().join("store-v1/lost+found"),
        made.store.derivation_dir(made.a.dref()).join("note"),
        made.store.realization_dir(&made.a).join("note"),
        made.store
            .root()
            .join("store-v1")
            .join(config("file").id().folder()),
    ] {
        fs::write(&strange, "").unwrap();
        let report = made.check();
        assert!(
            report.faults.iter().any(|fault| fault.path == strange),
            "{report}"
        );
        assert!(
            report
                .faults
                .iter()
                .any(|fault| fault.kind == FaultKind::Unexpected)
        );
        fs::remove_file(&strange).unwrap();
    }
    assert!(made.check().is_sound());

    fs::write(made.store.root().join("roots/torn"), "rref").unwrap();
    assert_eq!(made.fault().kind, FaultKind::Root);
    fs::write(
        made.store.root().join("roots/torn"),
        format!("{}\n", made.c),
    )
    .unwrap();
    assert!(made.check().is_sound());
    mode(&made.store.out_dir(&made.c), 0o755);
    fs::remove_dir_all(made.store.realization_dir(&made.c)).unwrap();
    assert_eq!(made.fault().kind, FaultKind::Root);
}

#[test]
fn a_sample_reads_some() {
    let (_folder, store) = store();
    let files: Vec<(String, String)> = (0..1000)
        .map(|n| (format!("f{n}"), format!("{n}")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    publish_texts(&store, &config("a"), &Context::empty(), &files);
    let read = store.check().sample(20.0).run().unwrap().files;
    assert!((100..300).contains(&read), "{read}");
    let last = std::sync::atomic::AtomicU64::new(0);
    let check = store.check().contents().observer(|event| {
        if let pylightnix::store::CheckEvent::Read { bytes, .. } = event {
            last.fetch_max(*bytes, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let report = check.run().unwrap();
    assert_eq!((report.files, report.bytes), (1000, last.into_inner()));
    assert!(!objects(&store).is_empty());
}

impl Made {
    /// Repairs, and checks that everything repaired is intact.
    fn repair(&self, with: Option<&Store>) -> RepairReport {
        let mut repair = self.store.repair();
        if let Some(peer) = with {
            repair = repair.with(peer);
        }
        let report = repair.run().unwrap();
        assert!(report.refused.is_empty(), "{report}");
        for repaired in &report.repaired {
            assert!(!repaired.faults.is_empty());
            if let Some(quarantine) = &repaired.quarantine {
                assert!(quarantine.symlink_metadata().is_ok());
                assert!(quarantine.starts_with(self.store.root().join("quarantine")));
            }
        }
        report
    }

    fn actions(report: &RepairReport) -> Vec<RepairAction> {
        report
            .repaired
            .iter()
            .map(|repaired| repaired.action)
            .collect()
    }
}

/// Copies a store, as a backup does.
fn backup(made: &Made) -> (tempfile::TempDir, Store) {
    tests::store::unused(&made.store)
}

#[test]
fn what_another_store_has_is_replaced() {
    let damages: [fn(&Path); 6] = [
        |out| put(&out.join("x"), "xy"),
        |out| fs::remove_dir_all(out.join("deep")).unwrap(),
        |out| fs::write(out.join("new"), "").unwrap(),
        |out| {
            fs::remove_file(out.join("link")).unwrap();
        },
        |out| {
            put(&out.join("deep/y"), "");
            mode(&out.join("x"), 0o600);
        },
        |out| {
            fs::remove_dir_all(out).unwrap();
            fs::write(out, "").unwrap();
        },
    ];
    for damage in damages {
        let made = made();
        let sound = objects(&made.store);
        let (_folder, peer) = backup(&made);
        made.change(damage);
        let broken = objects(&made.store);
        // Added after the backup was made.
        made.store
            .plumbing()
            .add_build(&made.a, &built(), Some(b"log"))
            .unwrap();
        let builds = made.store.realization(&made.a).unwrap().builds().len();
        let report = made.repair(Some(&peer));
        assert_eq!(Made::actions(&report), [RepairAction::Replaced], "{report}");
        assert!(report.left.is_empty());
        let mut now = objects(&made.store);
        assert_eq!(
            made.store.realization(&made.a).unwrap().builds().len(),
            builds
        );
        now.retain(|path, _| sound.contains_key(path));
        assert_eq!(now, sound);
        assert!(made.check().is_sound());
        // The quarantined original is unchanged.
        let aside = report.repaired[0].quarantine.as_ref().unwrap();
        let prefix = made.store.realization_dir(&made.a);
        let prefix = prefix
            .strip_prefix(made.store.root().join("store-v1"))
            .unwrap();
        let prefix = format!("{}/", prefix.display());
        for (path, found) in snapshot(aside) {
            if let Some(before) = broken.get(&format!("{prefix}{path}")) {
                assert_eq!(&found, before, "{path}");
            }
        }
        assert!(
            aside
                .parent()
                .unwrap()
                .with_file_name("report.txt")
                .exists()
        );
    }
}

#[test]
fn the_same_bytes_elsewhere_in_the_store_are_enough() {
    let made = made();
    publish_texts(
        &made.store,
        &config("e"),
        &Context::empty(),
        &[("other/name", "xx")],
    );
    let sound = objects(&made.store);
    made.change(|out| put(&out.join("x"), "xy"));
    let report = made.repair(None);
    assert_eq!(Made::actions(&report), [RepairAction::Replaced], "{report}");
    assert_eq!(objects(&made.store), sound);
    // A damaged peer does not help.
    made.change(|out| put(&out.join("deep/y"), "yz"));
    let report = made.repair(None);
    assert_eq!(Made::actions(&report), [RepairAction::PutAside], "{report}");
}

#[test]
fn what_is_nowhere_else_is_put_aside_and_made_again() {
    let made = made();
    let sound = objects(&made.store);
    made.change(|out| put(&out.join("x"), "xy"));
    let report = made.repair(None);
    assert_eq!(Made::actions(&report), [RepairAction::PutAside]);
    assert_eq!(report.left.len(), 1);
    assert_eq!(report.left[0].dependents.len(), 2);
    let text = report.to_string();
    assert!(
        text.contains("was moved to quarantine") && text.contains("needed by: "),
        "{text}"
    );
    assert!(!made.store.has(&made.a).unwrap());
    assert_eq!(made.fault().kind, FaultKind::Context);
    // Publishing the same result again repairs it.
    let mut draft = made.store.plumbing().draft().unwrap();
    fs::create_dir_all(draft.out().join("deep/empty")).unwrap();
    for (path, text) in [("x", "xx"), ("deep/run", "run"), ("deep/y", "yy")] {
        fs::write(draft.out().join(path), text).unwrap();
    }
    symlink("x", draft.out().join("link")).unwrap();
    mode(&draft.out().join("deep/run"), 0o755);
    publish(&mut draft, &config("a")).unwrap();
    assert!(made.check().is_sound());
    let mut now = objects(&made.store);
    let is_build = |path: &String| path.contains("/build-");
    now.retain(|path, _| !is_build(path));
    let sound: Vec<_> = sound
        .into_iter()
        .filter(|(path, _)| !is_build(path))
        .collect();
    assert_eq!(now.into_iter().collect::<Vec<_>>(), sound);
}

#[test]
fn modes_are_set_where_they_are() {
    let made = made();
    let sound = snapshot(made.store.root());
    made.change(|out| {
        mode(&out.join("x"), 0o644);
        mode(&out.join("deep/run"), 0o700);
    });
    mode(&made.out.join("deep"), 0o777);
    let report = made.repair(None);
    assert_eq!(Made::actions(&report), [RepairAction::ModesSet]);
    assert_eq!(report.repaired[0].faults.len(), 3);
    assert_eq!(snapshot(made.store.root()), sound);
}

#[test]
fn records_configs_and_build_records_are_mended() {
    let made = made();
    let (_folder, peer) = backup(&made);
    let sound = objects(&made.store);
    let record = made.store.realization_dir(&made.b).join("record");
    let text = made.store.derivation_dir(made.a.dref()).join("config.json");
    let build = "build-01890a5d-ac96-774b-bcce-b302099a8057.json";
    let build = made.store.realization_dir(&made.c).join(build);
    for path in [&record, &text, &build] {
        fs::write(path, "{}").unwrap();
    }
    let report = made.repair(Some(&peer));
    assert_eq!(report.repaired.len(), 3, "{report}");
    assert!(report.left.is_empty());
    assert_eq!(objects(&made.store), sound);

    // Without a peer, a config is rewritten when it is needed.
    fs::write(&text, "{}").unwrap();
    let report = made.repair(None);
    assert_eq!(Made::actions(&report), [RepairAction::PutAside]);
    assert_eq!(report.left[0].dependents.len(), 3);
    let again = Store::open(made.store.root()).unwrap();
    again.plumbing().add_derivation(&config("a")).unwrap();
    assert_eq!(objects(&made.store), sound);
}

#[test]
fn what_is_missing_comes_from_another_store() {
    let made = made();
    let (_folder, peer) = backup(&made);
    let sound = objects(&made.store);
    fs::rename(
        made.store.derivation_dir(made.a.dref()),
        made.store.root().with_file_name("aside"),
    )
    .unwrap();
    assert_eq!(made.repair(None).left.len(), 1);
    let again = Store::open(made.store.root()).unwrap();
    let report = again.repair().with(&peer).run().unwrap();
    assert_eq!(Made::actions(&report), [RepairAction::Copied], "{report}");
    assert_eq!(objects(&made.store), sound);
}

#[test]
fn a_pipe_in_place_of_a_file_is_named_and_not_waited_for() {
    let (_folder, store) = store();
    let config = config("stage");
    let mut draft = store.plumbing().draft().unwrap();
    let id = publish(&mut draft, &config).unwrap().id;
    let derivation = store.realization_dir(&id).parent().unwrap().to_owned();
    for place in [
        derivation.join("config.json"),
        store.realization_dir(&id).join("record"),
    ] {
        let kept = fs::read(&place).unwrap();
        fs::remove_file(&place).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&place).status();
        assert!(made.unwrap().success());
        let report = store.check().run().unwrap();
        let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
        let name = place.display().to_string();
        assert!(
            faults.iter().any(|fault| fault.contains(&name)),
            "{faults:?}"
        );
        fs::remove_file(&place).unwrap();
        fs::write(&place, kept).unwrap();
    }
}

#[test]
fn a_device_in_place_of_a_record_is_not_read_for_ever() {
    let (_folder, store) = store();
    let id = publish(&mut store.plumbing().draft().unwrap(), &config("stage"))
        .unwrap()
        .id;
    let record = store.realization_dir(&id).join("record");
    fs::remove_file(&record).unwrap();
    let zero = std::process::Command::new("mknod")
        .arg(&record)
        .args(["c", "1", "5"])
        .output();
    if !zero.unwrap().status.success() {
        // Only root can create devices, and not in every container.
        return;
    }
    let error = store.realization(&id).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is a pipe, a socket or a device"),
        "{error}"
    );
    let report = store.check().run().unwrap();
    assert_eq!(report.faults[0].kind, FaultKind::Record, "{report}");
}
