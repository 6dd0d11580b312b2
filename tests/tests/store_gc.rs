//! Garbage collection: what is kept, what is removed, and what happens concurrently.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test may say so by a panic, and a child talks to its parent"
)]

use pylightnix::config::{Name, RRefId};
use pylightnix::store::{BuildKind, BuildRecord, Context, GcEvent, Outcome, Store};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::store::{
    Mount, Running, can_mount, child, child_as_nobody, config, config_on, folder, objects,
    publish_on, publish_texts, snapshot, store, unused,
};

/// The parts of child processes.
#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = tests::store::part() else {
        return;
    };
    match part.as_str() {
        "publish chains" => {
            println!("\nready");
            let _ = std::io::stdin().read_line(&mut String::new());
            let mut all = Vec::new();
            for number in 0..40 {
                let store = Store::open(&place).unwrap();
                let text = number.to_string();
                let a = publish_texts(&store, &config("a"), &Context::empty(), &[("x", &text)]);
                let b = publish_on(&store, &config_on("b", &config("a")), &[&a], &text);
                all.extend([a, b]);
                // Results that the process was given stay while it lives.
                for rref in &all {
                    store.realization(rref).unwrap();
                }
            }
        }
        "use a" => {
            let store = Store::open(&place).unwrap();
            store
                .plumbing()
                .use_derivations([config("a").id()])
                .unwrap();
            println!("\nready");
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        "make something from a and end" => {
            let store = Store::open(&place).unwrap();
            let a = store.rrefs_of(config("a").id()).unwrap().remove(0);
            publish_on(&store, &config_on("new", &config("a")), &[&a], "new");
        }
        "collect what others own" => collect_what_others_own(&place),
        "save code and end" => {
            let store = Store::open(&place).unwrap();
            store.plumbing().save_code("unused", "fn a() {}").unwrap();
        }
        "make a root of a" => {
            let store = Store::open(&place).unwrap();
            let a = store.rrefs_of(config("a").id()).unwrap().remove(0);
            store.add_root("a", &a).unwrap();
        }
        "link a" => {
            let store = Store::open(&place).unwrap();
            let a = store.rrefs_of(config("a").id()).unwrap().remove(0);
            store.link(&a, place.with_file_name("link")).unwrap();
        }
        "collect" => {
            let store = Store::open(&place).unwrap();
            println!("\nready");
            let report = store.gc().observer(|event| {
                if *event == GcEvent::Waiting {
                    println!("\nwaiting");
                }
            });
            println!("\ncollected {}", report.run().unwrap().realizations.len());
        }
        other => panic!("no part is called {other}"),
    }
}

/// a <- b <- c, and d.
struct Chain {
    _folder: tempfile::TempDir,
    store: Store,
    a: RRefId,
    b: RRefId,
    c: RRefId,
    d: RRefId,
}

fn chain() -> Chain {
    let (_folder, store) = store();
    let configs = [config("a"), config_on("b", &config("a"))];
    let a = publish_texts(&store, &configs[0], &Context::empty(), &[("x", "a")]);
    let b = publish_on(&store, &configs[1], &[&a], "b");
    let c = publish_on(&store, &config_on("c", &configs[1]), &[&b], "c");
    let d = publish_texts(&store, &config("d"), &Context::empty(), &[("x", "d")]);
    let (_folder, store) = unused(&store);
    Chain {
        _folder,
        store,
        a,
        b,
        c,
        d,
    }
}

impl Chain {
    /// Collects garbage; the dry run must predict the same. Returns what was removed.
    fn gc(&self) -> Vec<RRefId> {
        let before = objects(&self.store);
        let planned = self.store.gc().plan().unwrap();
        assert_eq!(objects(&self.store), before);
        let report = self.store.gc().run().unwrap();
        assert!(report.refused.is_empty(), "{report}");
        assert_eq!(report.realizations, planned.realizations);
        assert_eq!(report.derivations, planned.derivations);
        assert_eq!((report.kept, report.bytes), (planned.kept, planned.bytes));
        assert_eq!(report.ended_roots, planned.ended_roots);
        report
            .realizations
            .into_iter()
            .map(|gone| gone.rref)
            .collect()
    }

    fn sorted(&self, rrefs: &[&RRefId]) -> bool {
        let mut rrefs: Vec<RRefId> = rrefs.iter().map(|rref| (*rref).clone()).collect();
        rrefs.sort_unstable();
        self.store.rrefs().unwrap() == rrefs
    }
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

#[test]
fn what_roots_reach_stays() {
    let chain = chain();
    chain.store.add_root("keep", &chain.b).unwrap();
    assert_eq!(chain.gc(), [&chain.c, &chain.d].map(Clone::clone));
    assert!(chain.sorted(&[&chain.a, &chain.b]));
    assert_eq!(chain.store.drefs().unwrap().len(), 2);
    chain.store.realization(&chain.a).unwrap();
    assert!(!chain.store.derivation_dir(chain.d.dref()).exists());
    assert_eq!(entries(&chain.store.root().join("trash")), 0);
    assert!(chain.gc().is_empty());
    // A root can be changed.
    chain.store.add_root("keep", &chain.a).unwrap();
    assert_eq!(chain.store.roots().unwrap().len(), 1);
    assert_eq!(unused(&chain.store).1.gc().run().unwrap().kept, 1);
    assert!(chain.store.remove_root("keep").unwrap());
    assert!(!chain.store.remove_root("keep").unwrap());
    assert_eq!(unused(&chain.store).1.gc().run().unwrap().kept, 0);
}

#[test]
fn roots_are_of_what_is_there_and_have_plain_names() {
    let chain = chain();
    for name in [
        "",
        ".",
        "a/b",
        "..",
        ".x",
        "link-1",
        "a b",
        &"x".repeat(201),
    ] {
        let report = format!("{:?}", chain.store.add_root(name, &chain.a).unwrap_err());
        assert!(report.contains("cannot be the name of a root"), "{report}");
        // The roots of links can be removed; there is none.
        assert_eq!(
            chain.store.remove_root(name).ok(),
            (name == "link-1").then_some(false)
        );
    }
    let missing: RRefId =
        "rref:0123456789abcdef0123456789abcdef-7c308bad0e7fa364790b71e6ffab924a-params"
            .parse()
            .unwrap();
    assert!(chain.store.add_root("x", &missing).is_err());
    assert!(chain.store.roots().unwrap().is_empty());
    // A file that is not a valid root may be meant to keep something.
    let path = chain.store.root().join("roots/mine");
    for bytes in [&b""[..], b"\xff", b"rref:..\n", b"no"] {
        fs::write(&path, bytes).unwrap();
        let before = objects(&chain.store);
        let report = format!("{:?}", chain.store.gc().run().unwrap_err());
        assert!(report.contains("roots/mine is not a root"), "{report}");
        assert_eq!(objects(&chain.store), before);
    }
}

#[test]
fn a_link_outside_keeps_what_it_points_to() {
    let chain = chain();
    let place = folder();
    let link = place.path().join("result");
    chain.store.link(&chain.b, &link).unwrap();
    chain
        .store
        .link(&chain.d, place.path().join("other"))
        .unwrap();
    assert_eq!(fs::read_to_string(link.join("x")).unwrap(), "b");
    // A realization that this process linked is in use by it, so another process collects.
    let store = |from: &Store| {
        let root = from.root().to_owned();
        let aside = root.with_file_name("aside");
        let _ = fs::remove_dir_all(&aside);
        // The same store at the same path, without the lease of this process.
        tests::store::copy_all(&root, &aside);
        fs::rename(
            &root,
            root.with_file_name(format!("old-{}", entries(root.parent().unwrap()))),
        )
        .unwrap();
        fs::rename(&aside, &root).unwrap();
        Store::open(&root).unwrap()
    };
    let other = store(&chain.store);
    let report = other.gc().run().unwrap();
    assert_eq!((report.kept, report.ended_roots.len()), (3, 0));
    assert_eq!(report.realizations[0].rref, chain.c);

    other.link(&chain.a, &link).unwrap();
    assert_eq!(fs::read_to_string(link.join("x")).unwrap(), "a");
    fs::remove_file(place.path().join("other")).unwrap();
    let counting = |store: &Store| -> Vec<RRefId> {
        let roots = store.roots().unwrap().into_iter();
        roots
            .filter(|root| root.counts)
            .map(|root| root.rref)
            .collect()
    };
    assert_eq!(counting(&other), std::slice::from_ref(&chain.a));
    let other = store(&other);
    let report = other.gc().run().unwrap();
    assert_eq!((report.kept, report.ended_roots.len()), (1, 2), "{report}");
    assert_eq!(other.roots().unwrap().len(), 1);

    assert!(other.unlink(&link).unwrap());
    assert!(!other.unlink(&link).unwrap());
    assert!(link.symlink_metadata().is_err());
    let other = store(&other);
    assert_eq!(other.gc().run().unwrap().kept, 0);
    assert!(other.roots().unwrap().is_empty());
}

#[test]
fn a_link_whose_folder_is_away_counts_until_it_is_known_to_be_gone() {
    let chain = chain();
    let place = folder();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    chain.store.link(&chain.b, disk.join("result")).unwrap();
    let counts = || {
        let roots = chain.store.roots().unwrap();
        (roots[0].name.clone(), roots[0].counts)
    };
    fs::rename(&disk, place.path().join("away")).unwrap();
    let (name, still) = counts();
    assert!(still, "the disk may be mounted again");
    fs::rename(place.path().join("away"), &disk).unwrap();
    assert!(counts().1);
    fs::remove_file(disk.join("result")).unwrap();
    assert!(!counts().1, "the folder is there, and the link is not");
    fs::remove_dir(&disk).unwrap();
    assert!(counts().1);
    assert!(chain.store.remove_root(&name).unwrap());
    assert!(chain.store.roots().unwrap().is_empty());
}

#[test]
fn links_replace_only_links_of_the_store() {
    let chain = chain();
    let place = folder();
    let at = |name: &str| place.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("/tmp", at("foreign")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let before = snapshot(place.path());
    for name in ["file", "folder", "foreign", "dangling"] {
        for error in [
            chain.store.link(&chain.a, at(name)).unwrap_err(),
            chain.store.unlink(at(name)).unwrap_err(),
        ] {
            let report = format!("{error:?}");
            assert!(
                report.contains("exists and is not a link of this store"),
                "{report}"
            );
            assert!(report.contains("help: move it away"), "{report}");
        }
    }
    assert_eq!(snapshot(place.path()), before);
    assert!(
        chain
            .store
            .link(&chain.a, chain.store.root().join("x"))
            .is_err()
    );
    assert!(chain.store.link(&chain.a, at("no/folder/x")).is_err());
    assert!(chain.store.roots().unwrap().is_empty());
}

#[test]
#[cfg_attr(pylightnix_portable, ignore = "names are not exchanged in one step")]
fn what_is_put_where_a_link_is_just_then_is_not_lost() {
    let chain = chain();
    let place = folder();
    for round in 0..300 {
        let path = place.path().join(format!("result-{round}"));
        let file = place.path().join("file");
        chain.store.link(&chain.a, &path).unwrap();
        fs::write(&file, "mine").unwrap();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                fs::rename(&file, &path).unwrap();
            });
            start.wait();
            // Whether or not the link was replaced before.
            let _ = match round % 2 {
                0 => chain.store.link(&chain.a, &path),
                _ => chain.store.unlink(&path).map(drop),
            };
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine", "{round}");
    }
    assert_eq!(entries(place.path()), 300);
}

#[test]
fn a_link_by_another_path_is_the_same_link() {
    let chain = chain();
    let place = folder();
    symlink(place.path(), place.path().join("here")).unwrap();
    chain
        .store
        .link(&chain.a, place.path().join("here/x"))
        .unwrap();
    chain.store.link(&chain.b, place.path().join("x")).unwrap();
    let counts: Vec<bool> = chain
        .store
        .roots()
        .unwrap()
        .iter()
        .map(|root| root.counts)
        .collect();
    assert_eq!(counts.iter().filter(|counts| **counts).count(), 1);
}

#[test]
fn age_and_number_keep() {
    let (_folder, store) = store();
    let config = config("stage");
    let now = BuildRecord::now(BuildKind::Build).stop;
    let mut all = Vec::new();
    for hours in [40, 30, 20, 10] {
        let mut build = BuildRecord::now(BuildKind::Build);
        build.stop = now - Duration::from_secs(hours * 3600);
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("x"), vec![b'x'; 1000 * hours as usize]).unwrap();
        all.push(
            draft
                .publish(&config, &Context::empty(), Outcome::Ok, &build)
                .unwrap()
                .id,
        );
    }
    let (_folder, store) = unused(&store);
    let gone = |gc: pylightnix::store::Gc<'_>| -> Vec<RRefId> {
        let gone = gc.plan().unwrap().realizations.into_iter();
        gone.map(|gone| gone.rref).collect()
    };
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    // The oldest first.
    assert_eq!(gone(store.gc()), all);
    assert_eq!(gone(store.gc().keep_newer_than(hours(25))), all[..2]);
    assert_eq!(gone(store.gc().keep_newer_than(hours(5))), all);
    assert_eq!(gone(store.gc().keep_newer_than(Duration::MAX)), []);
    assert_eq!(gone(store.gc().keep_newest(3)), all[..1]);
    assert_eq!(
        gone(store.gc().keep_newest(3).keep_newer_than(hours(35))),
        all[..1]
    );
    assert_eq!(gone(store.gc().free_at_most(0)), []);
    assert_eq!(gone(store.gc().free_at_most(45_000)), all[..1]);
    // A realization that would exceed the limit is skipped.
    assert_eq!(gone(store.gc().free_at_most(35_000)), all[1..2]);
    let report = store.gc().free_at_most(75_000).run().unwrap();
    assert!(report.bytes > 70_000 && report.bytes <= 75_000, "{report}");
    assert_eq!(store.rrefs().unwrap().len(), 2);
}

#[test]
fn nothing_goes_before_what_was_made_from_it() {
    let chain = chain();
    // All have the same size, and two fit into the limit.
    let one = chain.store.gc().plan().unwrap().realizations[0].bytes;
    let report = chain.store.gc().free_at_most(one + one / 2).run().unwrap();
    assert_eq!(report.realizations.len(), 1);
    for rref in chain.store.rrefs().unwrap() {
        for dep in chain
            .store
            .realization(&rref)
            .unwrap()
            .context
            .realizations()
        {
            assert!(chain.store.has(dep).unwrap());
        }
    }
    let mut sizes = Vec::new();
    let report = chain.store.gc().observer(|event| {
        if let GcEvent::Deleted { bytes, .. } = event {
            sizes.push(*bytes);
        }
    });
    let report = report.run().unwrap();
    let order: Vec<_> = report.realizations.iter().map(|gone| &gone.rref).collect();
    let place = |rref| order.iter().position(|other| *other == rref);
    assert!(place(&chain.c) < place(&chain.b) && place(&chain.b) < place(&chain.a));
    assert_eq!(sizes.last(), Some(&report.bytes));
    let text = report.to_string();
    assert!(text.contains("3 of 3 realizations"), "{text}");
    drop(chain.d);
}

#[test]
fn what_else_goes() {
    let (_folder, store) = store();
    let mut build = BuildRecord::now(BuildKind::Build);
    build.fingerprint = Some("used".to_owned());
    let mut draft = store.plumbing().draft().unwrap();
    let kept = draft
        .publish(&config("a"), &Context::empty(), Outcome::Ok, &build)
        .unwrap()
        .id;
    store.plumbing().save_code("used", "fn a() {}").unwrap();
    store.plumbing().save_code("unused", "fn b() {}").unwrap();
    store.plumbing().add_derivation(&config("empty")).unwrap();
    store.plumbing().add_derivation(&config("noted")).unwrap();
    let note = store.derivation_dir(config("noted").id()).join("note");
    fs::write(&note, "mine").unwrap();
    let failed = store.plumbing().draft().unwrap();
    fs::write(failed.out().join("x"), vec![0; 5000]).unwrap();
    failed.keep_failed(&Name::new("a").unwrap()).unwrap();
    let (_folder, store) = unused(&store);
    store.add_root("a", &kept).unwrap();
    let root = store.root();
    fs::write(root.join("locks/b/0123"), "").unwrap();
    let dead = root.join("tmp/01890a5d-ac96-774b-bcce-b302099a8057");
    fs::create_dir_all(dead.join("0/out")).unwrap();

    let day = Duration::from_secs(24 * 3600);
    let report = store.gc().keep_newer_than(day).plan().unwrap();
    assert!(report.failed.is_empty());
    let report = store.gc().free_at_most(4000).plan().unwrap();
    assert!(report.failed.is_empty());
    let planned = store.gc().plan().unwrap();
    let report = store.gc().run().unwrap();
    assert!(report.refused.is_empty(), "{report}");
    assert_eq!(report.code, ["unused"]);
    assert_eq!(report.derivations, [config("empty").id().clone()]);
    assert_eq!((report.failed.len(), report.bytes), (1, 5000));
    assert_eq!(report.kept, 1);
    assert_eq!(
        (planned.code, planned.derivations),
        (report.code, report.derivations)
    );
    assert_eq!(planned.failed, report.failed);
    assert_eq!(store.code("used").unwrap().unwrap(), "fn a() {}");
    assert_eq!(store.code("unused").unwrap(), None);
    assert_eq!(entries(&root.join("failed")), 0);
    assert_eq!(entries(&root.join("locks/b")), 0);
    assert_eq!(entries(&root.join("tmp")), 1);
    assert_eq!(entries(&root.join("leases")), 1);
    assert!(note.with_file_name("note").exists());
    assert!(
        store
            .derivation_dir(config("noted").id())
            .join("note")
            .exists()
    );
}

#[test]
fn a_derivation_goes_with_its_last_realization_unless_something_else_lies_there() {
    let (_folder, store) = store();
    for (name, depth) in [("alone", 120), ("noted", 1)] {
        for text in ["1", "2"] {
            // Deeper than the limit of plain recursion.
            let path = format!("{}x", "d/".repeat(depth));
            publish_texts(&store, &config(name), &Context::empty(), &[(&path, text)]);
        }
    }
    let noted = store.derivation_dir(config("noted").id());
    fs::write(noted.join("note"), "mine").unwrap();
    let (_folder, store) = unused(&store);
    let noted = store.derivation_dir(config("noted").id());
    let planned = store.gc().plan().unwrap();
    let report = store.gc().run().unwrap();
    assert!(report.refused.is_empty(), "{report}");
    assert_eq!(report.realizations.len(), 4);
    assert_eq!(report.derivations, [config("alone").id().clone()]);
    assert_eq!(planned.derivations, report.derivations);
    assert!(noted.join("note").exists() && noted.join("config.json").exists());
    assert_eq!(entries(&noted), 2);
    assert_eq!(entries(&store.root().join("store-v1")), 1);
    assert_eq!(entries(&store.root().join("trash")), 0);
}

#[test]
fn a_kept_realization_with_a_broken_record_stops_it() {
    let chain = chain();
    chain.store.add_root("c", &chain.c).unwrap();
    let record = chain.store.realization_dir(&chain.b).join("record");
    fs::write(&record, "broken").unwrap();
    let before = objects(&chain.store);
    let report = format!("{:?}", chain.store.gc().run().unwrap_err());
    assert!(report.contains(&chain.b.to_string()), "{report}");
    assert!(report.contains("help: nothing was removed"), "{report}");
    assert_eq!(objects(&chain.store), before);
    // Without a root it is garbage.
    chain.store.add_root("c", &chain.a).unwrap();
    let (_folder, store) = unused(&chain.store);
    assert_eq!(store.gc().run().unwrap().kept, 1);
}

#[test]
fn publishing_and_collecting_do_not_disturb_each_other() {
    let folder = folder();
    let root = folder.path().join("store");
    let store = Store::open(&root).unwrap();
    let mut children: Vec<Running> = (0..4)
        .map(|_| Running::start(child("publish chains", &root)))
        .collect();
    for child in &mut children {
        child.wait_for("ready");
        child.go_on();
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut collected = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let report = store.gc().run().unwrap();
                assert!(report.refused.is_empty(), "{report}");
                collected += 1;
            }
            collected
        });
        for (at, child) in children.iter_mut().enumerate() {
            // Some exit normally, some are killed.
            if at % 2 == 0 {
                child.end();
            } else {
                std::thread::sleep(Duration::from_millis(20));
                child.kill();
            }
            for rref in store.rrefs().unwrap() {
                // It may be collected between the two reads, but then completely.
                if let Ok(found) = store.realization(&rref) {
                    for dep in found.context.realizations() {
                        assert!(store.has(dep).unwrap() || !store.has(&rref).unwrap());
                    }
                }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(collector.join().unwrap() > 0);
    });
    store.gc().run().unwrap();
    assert!(store.drefs().unwrap().is_empty());
    for folder in ["tmp", "trash", "leases"] {
        assert_eq!(entries(&root.join(folder)), 0, "{folder}");
    }
}

#[test]
fn collections_wait_for_each_other() {
    let chain = chain();
    let locks = chain.store.root().join("locks/sweep");
    let file = fs::File::create(locks).unwrap();
    file.lock().unwrap();
    let mut other = Running::start(child("collect", chain.store.root()));
    other.wait_for("waiting");
    assert!(chain.sorted(&[&chain.a, &chain.b, &chain.c, &chain.d]));
    file.unlock().unwrap();
    assert_eq!(other.wait_for("collected"), "4");
    other.end();
}

#[test]
fn a_disk_that_is_full_is_collected() {
    if !can_mount("a_disk_that_is_full_is_collected") {
        return;
    }
    for full_of in ["bytes", "files"] {
        let (folder, made) = (folder(), chain());
        let options = if full_of == "bytes" {
            "size=12m"
        } else {
            "nr_inodes=100"
        };
        let mount = Mount::new(folder.path(), options);
        let root = mount.at.join("store");
        drop(Store::open(&root).unwrap());
        assert_eq!(fs::metadata(root.join("reserved")).unwrap().len(), 8 << 20);
        let objects = root.join("store-v1");
        fs::remove_dir(&objects).unwrap();
        tests::store::copy_all(&made.store.root().join("store-v1"), &objects);
        if full_of == "bytes" {
            assert!(fs::write(mount.at.join("filler"), vec![1; 12 << 20]).is_err());
        } else {
            let full =
                (0..200).any(|number| fs::write(mount.at.join(number.to_string()), "").is_err());
            assert!(full);
        }
        let store = Store::open(&root).unwrap();
        assert!(store.plumbing().add_derivation(&config("small")).is_err());
        let report = store.gc().run().unwrap();
        assert!(report.refused.is_empty(), "{report}");
        assert_eq!(report.realizations.len(), 4);
        assert!(objects.read_dir().unwrap().next().is_none());
        publish_texts(&store, &config("small"), &Context::empty(), &[("x", "1")]);
    }
}

#[test]
fn what_cannot_be_deleted_frees_nothing_and_is_told_each_time() {
    let (folder, store) = store();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root can give a folder to another user.
        return;
    }
    let id = publish_texts(
        &store,
        &config("a"),
        &Context::empty(),
        &[("x", "of another")],
    );
    publish_texts(&store, &config("b"), &Context::empty(), &[("x", "own")]);
    let (_copy, copy) = unused(&store);
    drop(folder);
    let give = |to: &str, path: &Path| {
        let given = Command::new("chown").args(["-R", to]).arg(path).status();
        assert!(given.unwrap().success());
    };
    give("65534:65534", copy.root());
    give("0:0", &copy.out_dir(&id));
    Running::start(child_as_nobody("collect what others own", copy.root())).end();
}

fn collect_what_others_own(place: &Path) {
    let store = Store::open(place).unwrap();
    let report = store.gc().run().unwrap();
    assert_eq!(report.realizations.len(), 2);
    let own = report
        .realizations
        .iter()
        .find(|gone| gone.rref.name().as_str() == "b");
    assert_eq!(report.bytes, own.unwrap().bytes, "{report}");
    for report in [report, store.gc().run().unwrap()] {
        assert_eq!(report.refused.len(), 1, "{report}");
        let text = report.refused[0].to_string();
        assert!(
            text.contains("/trash/") && text.contains("not permitted"),
            "{text}"
        );
    }
    assert!(store.rrefs().unwrap().is_empty());
}

#[test]
fn what_lies_in_a_layer_of_an_image_is_removed_where_it_is() {
    if !can_mount("what_lies_in_a_layer_of_an_image_is_removed_where_it_is") {
        return;
    }
    let (made, layers, at) = (chain(), folder(), folder());
    let (lower, lower_store) = unused(&made.store);
    let below = snapshot(lower_store.root());
    let memory = Mount::new(layers.path(), "size=32m");
    let overlay = Mount::overlay(lower.path(), &memory.at.join("upper"), at.path());
    let store = Store::open_existing(overlay.at.join("store")).unwrap();
    // The dependencies of others stay with them.
    assert!(store.remove(&made.a).run().is_err());
    let all = store.rrefs().unwrap();
    let removed = store.remove(&made.a).with_dependents().run().unwrap();
    assert!(removed.refused.is_empty(), "{removed}");
    let left = store.rrefs().unwrap();
    assert_eq!(left.len(), all.len() - removed.realizations.len());
    assert!(!left.contains(&made.a) && store.check().run().unwrap().is_sound());
    let report = store.gc().run().unwrap();
    assert!(report.refused.is_empty(), "{report}");
    assert!(store.rrefs().unwrap().is_empty() && store.drefs().unwrap().is_empty());
    assert!(store.check().run().unwrap().faults.is_empty());
    assert_eq!(snapshot(lower_store.root()), below);
}

/// Runs `what` after the objects to remove are chosen, and before they are moved.
fn meanwhile(chain: &Chain, mut what: impl FnMut(&Store) + Send) -> pylightnix::store::GcReport {
    let gc = chain.store.gc().observer(|event| {
        if matches!(event, GcEvent::Chosen { .. }) {
            what(&chain.store);
        }
    });
    let report = gc.run().unwrap();
    assert!(report.refused.is_empty(), "{report}");
    let check = chain.store.check().contents().run().unwrap();
    assert!(check.is_sound(), "{check}");
    report
}

#[test]
fn what_comes_into_use_meanwhile_stays() {
    let ends = |part: &'static str| {
        move |store: &Store| {
            let mut child = child(part, store.root());
            let child = child.stdout(std::process::Stdio::null());
            assert!(child.status().unwrap().success());
        }
    };
    for part in [
        "make a root of a",
        "link a",
        "make something from a and end",
    ] {
        let chain = chain();
        meanwhile(&chain, |store| {
            ends(part)(store);
            // A process that sweeps after dead processes.
            ends("save code and end")(store);
        });
        assert!(chain.store.has(&chain.a).unwrap(), "{part}");
        let new = part.starts_with("make something");
        assert_eq!(chain.store.rrefs().unwrap().len(), if new { 2 } else { 1 });
        // Dead processes keep nothing in the next collection.
        let kept = chain.store.gc().run().unwrap().kept;
        assert_eq!(kept, usize::from(!new), "{part}");
    }

    let chain = chain();
    let mut user = None;
    // A process that uses the realization of this root may be about to create its link.
    let root = chain
        .store
        .root()
        .join("roots/link-0123456789abcdef-0123456789abcdef");
    fs::write(&root, format!("{}\nlink \"/nowhere\"\n", chain.a)).unwrap();
    meanwhile(&chain, |store| {
        let mut child = Running::start(child("use a", store.root()));
        child.wait_for("ready");
        user = Some(child);
    });
    assert_eq!(chain.store.rrefs().unwrap(), std::slice::from_ref(&chain.a));
    assert!(!chain.store.derivation_dir(chain.d.dref()).exists());
    assert!(root.exists());
    user.unwrap().kill();
    assert_eq!(chain.store.gc().run().unwrap().kept, 0);
    assert!(!root.exists());

    chain
        .store
        .plumbing()
        .save_code("unused", "fn a() {}")
        .unwrap();
    let (_folder, store) = unused(&chain.store);
    let end = ends("save code and end");
    let gc = store.gc().observer(|event| {
        if matches!(event, GcEvent::Chosen { .. }) {
            end(&store);
        }
    });
    assert!(gc.run().unwrap().code.is_empty());
    assert!(store.code("unused").unwrap().is_some());
    assert_eq!(store.gc().run().unwrap().code, ["unused"]);
}
