//! Carrying a realization into another context, by links within the store.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::ErrorKind;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::store::{BuildRecord, Context, Outcome, Published, Store};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tests::store::{
    Mount, built, by_older_rules, can_mount, config, config_on, publish_texts, snapshot, store,
    unused,
};

/// A table that was made twice, and a model that was made from the old one.
struct Scene {
    config: ConfigJson,
    old_table: RRefId,
    new_table: RRefId,
    old: RRefId,
}

/// Writes an entry of each kind.
fn write_model(out: &Path) {
    fs::write(out.join("model"), "weights").unwrap();
    fs::write(out.join("empty"), "").unwrap();
    fs::create_dir_all(out.join("below/deep")).unwrap();
    fs::write(out.join("below/deep/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        out.join("below/deep/run"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    symlink("below/deep", out.join("link")).unwrap();
}

fn publish_model(store: &Store, config: &ConfigJson, table: &RRefId, log: &str) -> Published {
    let mut draft = store.plumbing().draft().unwrap();
    write_model(draft.out());
    fs::write(draft.log(), log).unwrap();
    let mut build = built();
    build.fingerprint = Some("code".to_owned());
    (build.index, build.of) = (Some(0), Some(1));
    let reads = format!(
        r#"[{{"of": [["{}", 0]], "artifacts": ["x"]}}]"#,
        table.dref()
    );
    build.reads = Some(serde_json::from_str(&reads).unwrap());
    let context = Context::from_iter([table.clone()]);
    (draft.publish(config, &context, Outcome::Ok, &build)).unwrap()
}

fn scene(store: &Store) -> Scene {
    let table = config("table");
    let made = |text| publish_texts(store, &table, &Context::empty(), &[("x", text)]);
    let (old_table, new_table) = (made("1 2"), made("1  2"));
    let config = config_on("model", &table);
    let old = publish_model(store, &config, &old_table, "learning\n").id;
    Scene {
        config,
        old_table,
        new_table,
        old,
    }
}

/// Carries all builds of a realization.
fn carry(store: &Store, from: &RRefId, onto: &RRefId) -> pylightnix::Result<Published> {
    let from = store.realization(from).unwrap();
    let builds: Vec<&BuildRecord> = from.builds().iter().collect();
    let context = Context::from_iter([onto.clone()]);
    store.plumbing().carry(&from, &context, &builds)
}

fn is_sound(store: &Store) {
    let report = store.check().contents().run().unwrap();
    assert!(report.is_sound(), "{report}");
}

/// The inodes of the files of a realization, by path.
fn inodes(store: &Store, rref: &RRefId) -> BTreeMap<PathBuf, u64> {
    let out = store.out_dir(rref);
    let files = ["model", "empty", "below/deep/run"].map(|path| out.join(path));
    let inode = |path: &PathBuf| path.metadata().unwrap().ino();
    files
        .iter()
        .map(|path| (path.strip_prefix(&out).unwrap().to_owned(), inode(path)))
        .collect()
}

/// Changes a file of a sealed folder.
fn change(path: &Path, change: impl FnOnce(&Path)) {
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    change(path);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
}

#[test]
fn what_is_carried_is_as_if_it_had_run() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    assert!(carried.new);
    is_sound(&store);
    let (old, new) = (
        store.realization(&scene.old).unwrap(),
        store.realization(&carried.id).unwrap(),
    );
    assert_eq!(
        new.context.realizations().collect::<Vec<_>>(),
        [&scene.new_table]
    );
    assert_eq!((new.tree, new.outcome), (old.tree, old.outcome));
    assert_eq!(snapshot(&new.out()), snapshot(&old.out()));
    // Where the file system has no reflinks, which change no inode.
    let is_linked = inodes(&store, &carried.id) == inodes(&store, &scene.old);
    let links = new.out().join("model").metadata().unwrap().nlink();
    assert_eq!(is_linked, links == 2);
    // The stage would have given the same.
    let run = publish_model(&store, &scene.config, &scene.new_table, "");
    assert_eq!((run.id, run.new), (carried.id, false));
    is_sound(&store);
}

#[test]
fn builds_come_along_with_their_logs_and_say_whose_work_it_is() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let mut second = built();
    second.fingerprint = Some("later".to_owned());
    let plumbing = store.plumbing();
    plumbing.add_build(&scene.old, &second, None).unwrap();
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    let (old, new) = (
        store.realization(&scene.old).unwrap(),
        store.realization(&carried.id).unwrap(),
    );
    assert_eq!(new.builds().len(), 2);
    for (before, after) in old.builds().iter().zip(new.builds()) {
        let whose = after.carried.as_ref().unwrap();
        assert_eq!((&whose.from, whose.build), (&scene.old, before.id));
        assert!(after.id > second.id);
        let mut like = after.clone();
        (like.id, like.carried) = (before.id, None);
        assert_eq!(&like, before);
    }
    let log = |at: usize| {
        new.folder()
            .join(format!("build-{}.log", new.builds()[at].id))
    };
    assert_eq!(fs::read_to_string(log(0)).unwrap(), "learning\n");
    assert!(!log(1).exists());
    // What is carried on is still the work of the first.
    let third = publish_texts(&store, &config("table"), &Context::empty(), &[("x", "3")]);
    let on = carry(&store, &carried.id, &third).unwrap();
    let on = store.realization(&on.id).unwrap();
    let whose = on.builds()[0].carried.as_ref().unwrap();
    let first = new.builds()[0].carried.as_ref().unwrap();
    assert_eq!((&whose.from, whose.build), (&scene.old, first.build));
    assert!(whose.time > first.time);
    is_sound(&store);
}

#[test]
fn only_the_builds_that_are_named_are_carried() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let second = built();
    let plumbing = store.plumbing();
    plumbing
        .add_build(&scene.old, &second, Some(b"again\n"))
        .unwrap();
    let old = store.realization(&scene.old).unwrap();
    let context = Context::from_iter([scene.new_table.clone()]);
    let carried = plumbing.carry(&old, &context, &[&second]).unwrap();
    let new = store.realization(&carried.id).unwrap();
    let whose = new.builds()[0].carried.as_ref().unwrap();
    assert_eq!((new.builds().len(), whose.build), (1, second.id));
    let nothing = plumbing.carry(&old, &context, &[]).unwrap_err();
    assert!(nothing.to_string().contains("no build"), "{nothing}");
}

#[test]
fn nothing_depends_on_where_it_came_from() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    let reads = store.realization(&scene.old).unwrap().builds()[0]
        .reads
        .clone();
    let (_other, store) = unused(&store);
    store.add_root("new", &carried.id).unwrap();
    // Adding a root uses the derivation as long as this process lives.
    let (_another, store) = unused(&store);
    let gone = store.gc().run().unwrap();
    assert!(gone.refused.is_empty());
    assert!(!store.has(&scene.old).unwrap() && !store.has(&scene.old_table).unwrap());
    is_sound(&store);
    let new = store.realization(&carried.id).unwrap();
    assert_eq!(new.builds()[0].reads, reads);
    assert!(reads.is_some());
    let log = new
        .folder()
        .join(format!("build-{}.log", new.builds()[0].id));
    assert_eq!(fs::read_to_string(log).unwrap(), "learning\n");
    let expected = tempfile::tempdir().unwrap();
    write_model(expected.path());
    let texts = |root: &Path| -> Vec<(String, Vec<u8>)> {
        (snapshot(root).into_iter())
            .map(|(path, (_, bytes))| (path, bytes))
            .collect()
    };
    assert_eq!(texts(&new.out()), texts(expected.path()));
}

#[test]
fn what_exists_already_gains_the_build_records() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let there = publish_model(&store, &scene.config, &scene.new_table, "").id;
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    assert_eq!((&carried.id, carried.new), (&there, false));
    let there = store.realization(&there).unwrap();
    assert_eq!(there.builds().len(), 2);
    assert!(there.builds()[1].carried.is_some());
    is_sound(&store);
    // Its damage is told.
    let file = there.out().join("model");
    change(&file, |file| fs::remove_file(file).unwrap());
    let error = carry(&store, &scene.old, &scene.new_table).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert_eq!(error.path(), Some(file.as_path()));
}

/// What damages a file.
type Damaging = fn(&Path);

#[test]
fn damage_that_shows_without_reading_is_told_and_nothing_is_made() {
    let by: [(&str, Damaging, &str); 4] = [
        ("model", |file| fs::remove_file(file).unwrap(), "is missing"),
        (
            "below/deep/run",
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            "is not a file",
        ),
        (
            "model",
            |file| {
                fs::rename(file, file.with_file_name("moved")).unwrap();
                symlink("moved", file).unwrap();
            },
            "is not a file",
        ),
        (
            "model",
            |file| {
                fs::remove_file(file).unwrap();
                fs::write(file, "weight").unwrap();
            },
            "has 6 bytes, and its record says 7",
        ),
    ];
    for (path, damage, why) in by {
        let (_folder, store) = store();
        let scene = scene(&store);
        let file = store.out_dir(&scene.old).join(path);
        change(&file, damage);
        let before = snapshot(store.root());
        let error = carry(&store, &scene.old, &scene.new_table).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.path(), Some(file.as_path()));
        assert_eq!(snapshot(store.root()), before);
    }
}

#[test]
fn a_file_that_somebody_made_writable_is_copied_and_verified() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let file = store.out_dir(&scene.old).join("model");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    let new = store.out_dir(&carried.id).join("model").metadata().unwrap();
    assert_eq!((new.mode() & 0o777, new.nlink()), (0o444, 1));
    let (_other, copy) = unused(&store);
    copy.remove(&carried.id).run().unwrap();
    let file = copy.out_dir(&scene.old).join("model");
    fs::write(&file, "Weights").unwrap();
    let error = carry(&copy, &scene.old, &scene.new_table).unwrap_err();
    assert!(error.to_string().contains("does not match"), "{error}");
    assert_eq!(error.path(), Some(file.as_path()));
    assert!(!copy.has(&carried.id).unwrap());
}

#[test]
fn many_files_and_many_builds() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let names: Vec<String> = (0..300).map(|at| format!("{}/{at}", at % 7)).collect();
    let files: Vec<(&str, &str)> = (names.iter())
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let context = Context::from_iter([scene.old_table.clone()]);
    let old = publish_texts(&store, &scene.config, &context, &files);
    for _ in 0..40 {
        let plumbing = store.plumbing();
        plumbing.add_build(&old, &built(), Some(b"said\n")).unwrap();
    }
    let carried = carry(&store, &old, &scene.new_table).unwrap();
    assert_eq!(
        snapshot(&store.out_dir(&carried.id)),
        snapshot(&store.out_dir(&old))
    );
    assert_eq!(store.realization(&carried.id).unwrap().builds().len(), 41);
    is_sound(&store);
}

#[test]
fn what_cannot_be_published_is_not_carried() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let told = |error: pylightnix::Error, why: &str| {
        assert_eq!(error.kind(), ErrorKind::Store, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    let old = store.realization(&scene.old).unwrap();
    let builds: Vec<&BuildRecord> = old.builds().iter().collect();
    let plumbing = store.plumbing();
    let nothing = plumbing.carry(&old, &Context::empty(), &builds);
    told(nothing.unwrap_err(), "names no realization of");
    let foreign = Context::from_iter([scene.new_table.clone(), scene.old.clone()]);
    let foreign = plumbing.carry(&old, &foreign, &builds);
    told(foreign.unwrap_err(), "its config does not name");
    let same = carry(&store, &scene.old, &scene.old_table);
    told(same.unwrap_err(), "made from that context already");
    let gone = publish_texts(
        &store,
        &config("table"),
        &Context::empty(),
        &[("x", "gone")],
    );
    let (_other, copy) = unused(&store);
    copy.remove(&gone).run().unwrap();
    told(
        carry(&copy, &scene.old, &gone).unwrap_err(),
        "is not in the store",
    );
    assert!(copy.check().contents().run().unwrap().is_sound());
    let bad = by_older_rules(&store, &scene.old, |out| {
        symlink("nowhere", out.join("dangling")).unwrap();
    });
    told(
        carry(&store, &bad, &scene.new_table).unwrap_err(),
        "which does not exist",
    );
}

/// Publishes a large file as a model made from `table`.
fn publish_large(store: &Store, scene: &Scene, table: &RRefId) -> RRefId {
    let context = Context::from_iter([table.clone()]);
    let text = "x".repeat(LARGE);
    publish_texts(store, &scene.config, &context, &[("large", &text)])
}

const LARGE: usize = 100_000;

/// Whether carrying makes hard links here; a file system with reflinks shares no inode.
fn has_links(store: &Store, rref: &RRefId) -> bool {
    store
        .out_dir(rref)
        .join("large")
        .metadata()
        .unwrap()
        .nlink()
        > 1
}

/// Makes two further tables.
fn tables<const N: usize>(store: &Store) -> [RRefId; N] {
    std::array::from_fn(|at| {
        let text = format!("table {at}");
        publish_texts(store, &config("table"), &Context::empty(), &[("x", &text)])
    })
}

/// Flips a byte in place, which all names of the file see.
fn rot(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[3] ^= 1;
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
}

/// A large model that was carried to two further tables: all three names of the file, and one of another model.
fn shared(store: &Store) -> (Scene, [RRefId; 3]) {
    let scene = scene(store);
    let [one, two] = tables(store);
    let first = publish_large(store, &scene, &scene.old_table);
    let second = carry(store, &first, &one).unwrap().id;
    let third = carry(store, &second, &two).unwrap().id;
    (scene, [first, second, third])
}

#[test]
fn every_name_of_a_damaged_file_is_told() {
    let (_folder, store) = store();
    let (_, all) = shared(&store);
    if !has_links(&store, &all[0]) {
        return;
    }
    rot(&store.out_dir(&all[1]).join("large"));
    let told = |check: pylightnix::store::Check<'_>| -> Vec<PathBuf> {
        let report = check.contents().run().unwrap();
        report.faults.into_iter().map(|fault| fault.path).collect()
    };
    let mut names: Vec<_> = all
        .iter()
        .map(|rref| store.out_dir(rref).join("large"))
        .collect();
    names.sort_unstable();
    assert_eq!(told(store.check()), names);
    let one = store.out_dir(&all[2]).join("large");
    assert_eq!(told(store.check().only([&all[2]])), [one]);
}

#[test]
fn a_repair_of_one_name_mends_all() {
    let (_folder, store) = store();
    let (_other, peer) = tests::store::store();
    let (_, all) = shared(&store);
    peer.copy_from(&store, [&all[0]]).unwrap();
    if !has_links(&store, &all[0]) {
        return;
    }
    rot(&store.out_dir(&all[1]).join("large"));
    // Only the old one is in the other store, and only the last one is named.
    let report = store.repair().with(&peer).only([&all[2]]).run().unwrap();
    assert_eq!(
        (report.repaired.len(), report.left.len()),
        (3, 0),
        "{report}"
    );
    is_sound(&store);
    for rref in &all {
        let mended = store.out_dir(rref).join("large").metadata().unwrap();
        assert_eq!((mended.nlink(), mended.mode() & 0o777), (1, 0o444));
    }
}

#[test]
fn a_damaged_file_is_not_mended_from_another_name_of_it() {
    let (_folder, store) = store();
    let (scene, all) = shared(&store);
    if !has_links(&store, &all[0]) {
        return;
    }
    let another = publish_texts(&store, &config("table"), &Context::empty(), &[("x", "4")]);
    rot(&store.out_dir(&all[0]).join("large"));
    let (_copy, alone) = unused(&store);
    let report = alone.repair().only([&all[0]]).run().unwrap();
    assert_eq!(
        (report.repaired.len(), report.left.len()),
        (3, 3),
        "{report}"
    );
    assert!(all.iter().all(|rref| !alone.has(rref).unwrap()));
    // A file of its own with the same bytes serves all of them.
    publish_large(&store, &scene, &another);
    let report = store.repair().run().unwrap();
    assert_eq!(
        (report.repaired.len(), report.left.len()),
        (3, 0),
        "{report}"
    );
    is_sound(&store);
}

#[test]
fn collecting_counts_a_shared_file_with_its_last_name() {
    let (_folder, store) = store();
    let (_, all) = shared(&store);
    if !has_links(&store, &all[0]) {
        return;
    }
    let large = LARGE as u64;
    let freed = |report: &pylightnix::store::GcReport| -> Vec<u64> {
        let gone = all.iter().map(|rref| {
            let found = report.realizations.iter().find(|gone| gone.rref == *rref);
            found.map(|gone| {
                assert!(gone.bytes > large && gone.bytes < large + 1000);
                gone.freed
            })
        });
        gone.flatten().collect()
    };
    let (_copy, free) = unused(&store);
    let plan = free.gc().plan().unwrap();
    let each = freed(&plan);
    assert_eq!(each.len(), 3);
    assert_eq!(
        each.iter().filter(|bytes| **bytes > large).count(),
        1,
        "{each:?}"
    );
    assert_eq!(
        plan.bytes,
        plan.realizations.iter().map(|gone| gone.freed).sum::<u64>()
    );
    assert!((large..large + 5000).contains(&plan.bytes));
    // The last name does not fit, the others free next to nothing.
    let some = free.gc().free_at_most(large / 2).plan().unwrap();
    assert_eq!(freed(&some).len(), 2);
    assert!(some.bytes < large / 2);
    // What stays keeps the file.
    free.add_root("kept", &all[1]).unwrap();
    let (_again, free) = unused(&free);
    let plan = free.gc().plan().unwrap();
    let before = free.disk_usage().unwrap().all.bytes;
    let report = free.gc().run().unwrap();
    assert_eq!((report.bytes, freed(&report)), (plan.bytes, freed(&plan)));
    assert!(!free.has(&all[0]).unwrap() && !free.has(&all[2]).unwrap());
    let after = free.disk_usage().unwrap().all.bytes;
    assert!(before - after < large / 2 && report.bytes < large / 2);
    let file = free.out_dir(&all[1]).join("large").metadata().unwrap();
    assert_eq!((file.nlink(), file.mode() & 0o777), (1, 0o444));
    is_sound(&free);
}

#[test]
fn removing_by_hand_counts_a_shared_file_with_its_last_name() {
    let (_folder, store) = store();
    let (_, all) = shared(&store);
    if !has_links(&store, &all[0]) {
        return;
    }
    let (_copy, store) = unused(&store);
    for (rref, is_last) in all.iter().zip([false, false, true]) {
        let plan = store.remove(rref).plan().unwrap();
        let report = store.remove(rref).run().unwrap();
        assert_eq!(plan.bytes, report.bytes);
        assert_eq!(report.bytes > LARGE as u64, is_last);
        is_sound(&store);
    }
}

#[test]
fn the_folder_of_a_failed_build_does_not_count_what_it_links() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let large = publish_large(&store, &scene, &scene.old_table);
    let draft = store.plumbing().draft().unwrap();
    let file = store.out_dir(&large).join("large");
    fs::hard_link(&file, draft.out().join("linked")).unwrap();
    fs::write(draft.out().join("own"), "12345").unwrap();
    fs::hard_link(draft.out().join("own"), draft.out().join("again")).unwrap();
    draft.keep_failed(&"failing".parse().unwrap()).unwrap();
    let report = store.gc().run().unwrap();
    assert_eq!((report.failed.len(), report.bytes), (1, 5));
    is_sound(&store);
}

#[test]
fn disk_usage_counts_a_shared_file_once() {
    let (_folder, store) = store();
    let (_, all) = shared(&store);
    if !has_links(&store, &all[0]) {
        return;
    }
    let usage = store.disk_usage().unwrap();
    let large = LARGE as u64;
    assert_eq!((usage.saved.files, usage.saved.bytes), (2, 2 * large));
    assert!((large..large + 20_000).contains(&usage.all.bytes));
    let derivations = usage.derivations();
    let models = derivations
        .iter()
        .find(|one| one.id == *all[0].dref())
        .unwrap();
    assert!((large..large + 10_000).contains(&models.taken.bytes));
    assert_eq!(models.shared.bytes, large);
}

#[test]
fn what_was_carried_lately_counts_as_new() {
    let (_folder, store) = store();
    let scene = scene(&store);
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "long ago").unwrap();
    let mut build = built();
    (build.start, build.stop) = (jiff(1_000_000), jiff(1_000_001));
    let context = Context::from_iter([scene.old_table.clone()]);
    let old = draft
        .publish(&scene.config, &context, Outcome::Ok, &build)
        .unwrap();
    let new = carry(&store, &old.id, &scene.new_table).unwrap();
    let (_copy, store) = unused(&store);
    let hour = std::time::Duration::from_secs(3600);
    store.gc().keep_newer_than(hour).run().unwrap();
    assert!(store.has(&new.id).unwrap() && !store.has(&old.id).unwrap());
    // The times of the work are still those of the work.
    let new = store.realization(&new.id).unwrap();
    assert_eq!(new.last_built(), Some(build.stop));
}

fn jiff(second: i64) -> pylightnix::jiff::Timestamp {
    pylightnix::jiff::Timestamp::from_second(second).unwrap()
}

#[test]
fn an_output_that_links_a_carried_input_gets_a_file_of_its_own() {
    let (_folder, store) = store();
    let (_, all) = shared(&store);
    let input = store.out_dir(&all[1]).join("large");
    let names = input.metadata().unwrap().nlink();
    let mut draft = store.plumbing().draft().unwrap();
    fs::hard_link(&input, draft.out().join("mine")).unwrap();
    let on = config_on("user", &scene(&store).config);
    let context = Context::from_iter([all[1].clone()]);
    let mine = draft.publish(&on, &context, Outcome::Ok, &built()).unwrap();
    let (mine, input) = (
        store.out_dir(&mine.id).join("mine").metadata().unwrap(),
        input.metadata().unwrap(),
    );
    assert_ne!(mine.ino(), input.ino());
    assert_eq!((mine.nlink(), input.nlink()), (1, names));
    is_sound(&store);
}

#[test]
fn copies_and_archives_of_what_was_carried_are_whole() {
    let (folder, store) = store();
    let (_, all) = shared(&store);
    let (_one, copied) = tests::store::store();
    copied.copy_from(&store, &all).unwrap();
    let archive = folder.path().join("all.zip");
    store.pack(&all, &archive).unwrap();
    let (_two, unpacked) = tests::store::store();
    unpacked.unpack(&archive).unwrap();
    for other in [&copied, &unpacked] {
        is_sound(other);
        for rref in &all {
            let (there, here) = (
                other.realization(rref).unwrap(),
                store.realization(rref).unwrap(),
            );
            assert_eq!(there.builds(), here.builds());
        }
    }
}

#[test]
fn a_file_that_cannot_have_another_link_is_copied() {
    if !can_mount("a_file_that_cannot_have_another_link_is_copied") {
        return;
    }
    let (_folder, store) = store();
    let scene = scene(&store);
    let old = store.realization_dir(&scene.old);
    // No link leads from one mount to another, even of one file system.
    let mounted = Mount::read_only(&old, &old);
    let carried = carry(&store, &scene.old, &scene.new_table).unwrap();
    let (new, now) = (store.out_dir(&carried.id), inodes(&store, &carried.id));
    assert_eq!(snapshot(&new), snapshot(&old.join("out")));
    let before = inodes(&store, &scene.old);
    assert!(now.iter().all(|(path, inode)| before[path] != *inode));
    let build = store.realization(&carried.id).unwrap().builds()[0].clone();
    let log = store
        .realization_dir(&carried.id)
        .join(format!("build-{}.log", build.id));
    assert_eq!(fs::read_to_string(log).unwrap(), "learning\n");
    is_sound(&store);
    // What is copied is verified.
    drop(mounted);
    let file = old.join("out/model");
    rot(&file);
    let _mounted = Mount::read_only(&old, &old);
    let third = publish_texts(&store, &config("table"), &Context::empty(), &[("x", "3")]);
    let error = carry(&store, &scene.old, &third).unwrap_err();
    assert!(
        error.to_string().contains("does not match the digest"),
        "{error}"
    );
    assert_eq!(error.path(), Some(file.as_path()));
}
