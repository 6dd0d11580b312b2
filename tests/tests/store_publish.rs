//! Publishing: the content of the store afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use pylightnix::config::RRefId;
use pylightnix::jiff::Timestamp;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tests::runs::assert_says;
use tests::store::{
    built, config, config_on, folder, objects, publish, publish_texts, snapshot, store,
};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_realization_is_whole_and_read_only() {
    let (_folder, store) = store();
    let config = config("stage");
    let mut draft = store.plumbing().draft().unwrap();
    let out = draft.out().to_owned();
    fs::create_dir_all(out.join("a/b")).unwrap();
    fs::write(out.join("a/b/data"), "data").unwrap();
    fs::write(out.join("run"), "run").unwrap();
    fs::set_permissions(out.join("run"), fs::Permissions::from_mode(0o6777)).unwrap();
    fs::write(draft.log(), "a line\n").unwrap();
    let build = built();
    let published = draft
        .publish(&config, &Context::empty(), Outcome::Ok, &build)
        .unwrap();
    assert!(published.new);
    assert!(!out.exists());

    let at = store.realization_dir(&published.id);
    assert_eq!(store.out_dir(&published.id), at.join("out"));
    assert_eq!(mode(&at.join("out")), 0o555);
    assert_eq!(mode(&at.join("out/a/b")), 0o555);
    assert_eq!(mode(&at.join("out/a/b/data")), 0o444);
    assert_eq!(mode(&at.join("out/run")), 0o555);
    assert_eq!(mode(&at) & 0o700, 0o700);
    let log = at.join(format!("build-{}.log", build.id));
    assert_eq!(fs::read_to_string(log).unwrap(), "a line\n");

    assert_eq!(store.drefs().unwrap(), [config.id().clone()]);
    assert_eq!(store.rrefs().unwrap(), std::slice::from_ref(&published.id));
    let read = store.config(config.id()).unwrap();
    assert_eq!(read.text(), config.text());
    let found = store.realization(&published.id).unwrap();
    assert_eq!(found.builds(), [build]);
    assert_eq!(found.outcome, Outcome::Ok);
    assert_eq!(found.out(), at.join("out"));
    let record = store.record(&published.id).unwrap();
    assert_eq!(record.head().tree, found.tree);
    assert_eq!(record.manifest().entries().len(), 4);
}

#[test]
fn a_link_by_the_path_of_the_build_is_made_relative() {
    let (_folder, store) = store();
    let publish_links = |by_path: bool| {
        let mut draft = store.plumbing().draft().unwrap();
        let out = draft.out().to_owned();
        let link = |relative: &str, below: &str, at: &str| match by_path {
            true => symlink(out.join(below), out.join(at)).unwrap(),
            false => symlink(relative, out.join(at)).unwrap(),
        };
        fs::create_dir_all(out.join("a/b")).unwrap();
        fs::write(out.join("a/step-9"), "9").unwrap();
        link("a/step-9", "a/step-9", "latest");
        link("../../a/step-9", "a/step-9", "a/b/latest");
        publish(&mut draft, &config("stage")).unwrap()
    };
    let by_path = publish_links(true);
    let out = store.out_dir(&by_path.id);
    assert_eq!(
        fs::read_link(out.join("latest")).unwrap(),
        Path::new("a/step-9")
    );
    assert_eq!(fs::read_to_string(out.join("latest")).unwrap(), "9");
    assert_eq!(fs::read_to_string(out.join("a/b/latest")).unwrap(), "9");
    // Each build has its own folder, and the results are equal anyway.
    assert!(!publish_links(true).new);
    assert_eq!(publish_links(false).id, by_path.id);
}

#[test]
fn a_result_whose_record_is_broken_is_not_taken_for_the_same() {
    let (_folder, store) = store();
    let publish_again = || {
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("x"), "x").unwrap();
        publish(&mut draft, &config("stage"))
    };
    let id = publish_again().unwrap().id;
    assert!(!publish_again().unwrap().new);
    let record = store.realization_dir(&id).join("record");
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    let mut broken = fs::read(&record).unwrap();
    broken[40] ^= 1;
    fs::write(&record, broken).unwrap();
    let error = publish_again().unwrap_err();
    assert!(error.to_string().contains("is broken"), "{error}");
    assert_eq!(store.realization_dir(&id).read_dir().unwrap().count(), 4);
}

#[test]
fn the_same_bytes_are_the_same_realization() {
    let (_folder, store) = store();
    let config = config("stage");
    let first = publish_texts(&store, &config, &Context::empty(), &[("x", "1")]);
    let before = fs::metadata(store.derivation_dir(config.id())).unwrap();
    thread::sleep(Duration::from_millis(20));

    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "1").unwrap();
    fs::write(draft.log(), "again").unwrap();
    let again = publish(&mut draft, &config).unwrap();
    drop(draft);
    assert_eq!((again.id, again.new), (first.clone(), false));
    let found = store.realization(&first).unwrap();
    assert_eq!(found.builds().len(), 2);
    assert!(found.builds().is_sorted_by_key(|build| build.id));
    let log = format!("build-{}.log", found.builds()[1].id);
    assert_eq!(
        fs::read_to_string(found.folder().join(log)).unwrap(),
        "again"
    );
    // The index detects the new realization by this change.
    let after = fs::metadata(store.derivation_dir(config.id())).unwrap();
    assert!(after.modified().unwrap() > before.modified().unwrap());
    assert_nothing_under_way(&store);

    let other = publish_texts(&store, &config, &Context::empty(), &[("x", "2")]);
    assert_ne!(other, first);
    let mut both = vec![first, other];
    both.sort();
    assert_eq!(store.rrefs_of(config.id()).unwrap(), both);
}

fn assert_nothing_under_way(store: &Store) {
    for lease in fs::read_dir(store.root().join("tmp")).unwrap() {
        let left = fs::read_dir(lease.unwrap().path()).unwrap();
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn candidates_are_those_of_the_context() {
    let (_folder, store) = store();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let runs: Vec<RRefId> = ["1", "2"]
        .map(|text| publish_texts(&store, &a, &Context::empty(), &[("x", text)]))
        .into();
    let context = |at: usize| Context::from_iter([runs[at].clone()]);
    let one = publish_texts(&store, &b, &context(0), &[("y", "same")]);
    let two = publish_texts(&store, &b, &context(1), &[("y", "same")]);
    let more = publish_texts(&store, &b, &context(1), &[("y", "other")]);
    assert_ne!(one, two);

    let found = |context: &Context| -> Vec<RRefId> {
        let found = store.plumbing().candidates(b.id(), context).unwrap();
        assert!(found.iter().all(|found| found.context == *context));
        found.into_iter().map(|found| found.id).collect()
    };
    assert_eq!(found(&context(0)), [one]);
    let mut those = vec![two, more];
    those.sort();
    assert_eq!(found(&context(1)), those);
    assert!(found(&Context::empty()).is_empty());
    assert!(found(&Context::from_iter(runs.clone())).is_empty());
    let absent = config("absent");
    assert!(
        store
            .plumbing()
            .candidates(absent.id(), &Context::empty())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn reading_writes_nothing() {
    let (folder, store) = store();
    let config = config("stage");
    let id = publish_texts(&store, &config, &Context::empty(), &[("x", "1")]);
    let root = store.root().to_owned();
    drop(store);

    let times = || -> Vec<_> {
        snapshot(folder.path())
            .into_keys()
            .map(|path| {
                let found = fs::symlink_metadata(folder.path().join(&path)).unwrap();
                (path, found.modified().unwrap(), found.ctime())
            })
            .collect()
    };
    let read = || {
        let store = Store::open(&root).unwrap();
        store.config(config.id()).unwrap();
        store
            .plumbing()
            .candidates(config.id(), &Context::empty())
            .unwrap();
        store.realization(&id).unwrap();
        store.rrefs().unwrap();
    };
    // Once a folder has not changed for a moment, the first who reads it writes the index.
    thread::sleep(Duration::from_millis(200));
    read();
    let before = times();
    read();
    assert_eq!(times(), before);
}

#[test]
fn a_dropped_draft_is_gone_and_a_failed_one_is_kept() {
    let (_folder, store) = store();
    let config = config("stage");
    let draft = store.plumbing().draft().unwrap();
    fs::create_dir(draft.out().join("a")).unwrap();
    fs::write(draft.out().join("a/x"), "1").unwrap();
    drop(draft);
    assert_nothing_under_way(&store);

    let draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "1").unwrap();
    fs::write(draft.log(), "why").unwrap();
    let before = Timestamp::now();
    let kept = draft.keep_failed(config.id().name()).unwrap();
    let [failure] = &store.failed_builds().unwrap()[..] else {
        panic!("{:?}", store.failed_builds());
    };
    assert_eq!((&*failure.name, &failure.folder), ("stage", &kept));
    assert_eq!(fs::read_to_string(failure.log()).unwrap(), "why");
    let at = failure.at.unwrap();
    assert!(
        at <= Timestamp::now() && at.as_second() >= before.as_second(),
        "{at}"
    );
    assert!(kept.starts_with(store.root().join("failed")));
    assert!(kept.to_str().unwrap().ends_with("-stage"));
    assert_eq!(fs::read_to_string(kept.join("out/x")).unwrap(), "1");
    assert_eq!(fs::read_to_string(kept.join("log")).unwrap(), "why");
    assert_nothing_under_way(&store);
    assert!(objects(&store).is_empty());
}

#[test]
fn a_draft_is_published_once() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    publish(&mut draft, &config("stage")).unwrap();
    let error = publish(&mut draft, &config("stage")).unwrap_err();
    assert!(error.to_string().contains("published already"));
}

#[test]
fn other_names_of_a_file_are_cut_off() {
    let (folder, store) = store();
    let outside = folder.path().join("outside");
    fs::write(&outside, "1").unwrap();
    let mut draft = store.plumbing().draft().unwrap();
    fs::hard_link(&outside, draft.out().join("one")).unwrap();
    fs::hard_link(&outside, draft.out().join("two")).unwrap();
    let id = publish(&mut draft, &config("stage")).unwrap().id;
    fs::write(&outside, "2").unwrap();
    for name in ["one", "two"] {
        let path = store.out_dir(&id).join(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
    }
    assert_eq!(fs::read_dir(store.realization_dir(&id)).unwrap().count(), 3);
}

#[test]
fn links_are_kept_as_text() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    fs::create_dir(draft.out().join("a folder")).unwrap();
    fs::write(draft.out().join("x"), "x").unwrap();
    symlink(".//a folder/../x", draft.out().join("link")).unwrap();
    let id = publish(&mut draft, &config("stage")).unwrap().id;
    let target = fs::read_link(store.out_dir(&id).join("link")).unwrap();
    assert_eq!(target, Path::new(".//a folder/../x"));
}

#[test]
fn many_files_give_the_reference_that_few_threads_give() {
    let (_folder, full) = store();
    let place = folder();
    let scratch = Store::open(place.path().join("scratch"))
        .unwrap()
        .with_durability(Durability::None);
    let config = config("many");
    let ids = [&full, &scratch].map(|store| {
        let mut draft = store.plumbing().draft().unwrap();
        for number in 0..300 {
            let place = draft.out().join(format!("{}", number % 7));
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(number.to_string()), number.to_string()).unwrap();
        }
        publish(&mut draft, &config).unwrap().id
    });
    assert_eq!(ids[0], ids[1]);
    assert_eq!(scratch.durability(), Durability::None);
}

#[test]
fn build_records_can_be_added() {
    let (_folder, store) = store();
    let id = publish_texts(&store, &config("stage"), &Context::empty(), &[]);
    let mut accept = BuildRecord::now(BuildKind::Accept);
    accept.fingerprint = Some("0123".into());
    accept.omitted.insert("n".into(), 500.into());
    store
        .plumbing()
        .add_build(&id, &accept, Some(b"said"))
        .unwrap();
    let found = store.realization(&id).unwrap();
    assert_eq!(found.builds()[1], accept);
    let log = found.folder().join(format!("build-{}.log", accept.id));
    assert_eq!(fs::read(log).unwrap(), b"said");

    let absent: RRefId = format!("rref:{}-{}", "0".repeat(32), id.dref().folder())
        .parse()
        .unwrap();
    let error = store
        .plumbing()
        .add_build(&absent, &accept, None)
        .unwrap_err();
    assert!(error.to_string().contains("is not in the store"), "{error}");
}

#[test]
fn build_records_of_other_versions_are_understood_or_passed_over() {
    let (_folder, store) = store();
    let id = publish_texts(&store, &config("stage"), &Context::empty(), &[]);
    let at = store.realization_dir(&id);
    let known = store.realization(&id).unwrap().builds().to_vec();
    let torn = format!("build-{}.json", built().id);
    fs::write(at.join(&torn), "{\"kind\": \"bui").unwrap();
    let newer = built();
    fs::write(
        at.join(format!("build-{}.json", newer.id)),
        r#"{"kind": "build", "start": "2026-01-02T03:04:05Z", "stop": "2026-01-02T03:04:06Z", "colour": "blue"}"#,
    )
    .unwrap();
    fs::write(at.join("build-x.json"), "?").unwrap();
    fs::write(at.join("notes"), "?").unwrap();
    let found = store.realization(&id).unwrap();
    assert_eq!(found.unreadable, [torn]);
    assert_eq!(found.builds()[0], known[0]);
    assert_eq!(found.builds()[1].id, newer.id);
    assert_eq!(found.builds()[1].start.to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(found.builds().len(), 2);
}

#[test]
fn texts_of_fingerprints_are_kept_once() {
    let (_folder, store) = store();
    assert_eq!(store.code("0123ab").unwrap(), None);
    store.plumbing().save_code("0123ab", "fn f() {}").unwrap();
    store
        .plumbing()
        .save_code("0123ab", "another text")
        .unwrap();
    assert_eq!(store.code("0123ab").unwrap().unwrap(), "fn f() {}");
    for name in ["", "..", "a/b", ".hidden", "é"] {
        assert!(store.plumbing().save_code(name, "").is_err(), "{name:?}");
    }
}

#[test]
fn a_derivation_deleted_meanwhile_is_made_again() {
    let (_folder, store) = store();
    let config = config("stage");
    store.plumbing().add_derivation(&config).unwrap();
    store.plumbing().add_derivation(&config).unwrap();
    fs::remove_dir_all(store.derivation_dir(config.id())).unwrap();
    let id = publish_texts(&store, &config, &Context::empty(), &[("x", "1")]);
    store.config(config.id()).unwrap();
    store.realization(&id).unwrap();
}

#[test]
fn failures_can_be_realizations() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    let config = config("stage");
    let failed = draft
        .publish(&config, &Context::empty(), Outcome::Failed, &built())
        .unwrap();
    let found = store.realization(&failed.id).unwrap();
    assert_eq!(found.outcome, Outcome::Failed);
    let fine = publish_texts(&store, &config, &Context::empty(), &[]);
    assert_ne!(fine, failed.id);
}

/// A file that is open for writing could change after its publication: permissions are checked only when a file is opened.
#[test]
#[cfg_attr(
    any(not(target_os = "linux"), pylightnix_portable),
    ignore = "this system does not say who has a file open"
)]
fn a_file_that_is_open_for_writing_is_refused() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    let path = draft.out().join("still.txt");
    let mut open = File::create(&path).unwrap();
    open.write_all(b"half of it").unwrap();
    let error = publish(&mut draft, &config("open")).unwrap_err();
    assert_says(
        &error,
        &[
            "still.txt is still open for writing",
            "help: a thread or a child process of the stage has it open",
        ],
    );
    assert!(store.rrefs_of(config("open").id()).unwrap().is_empty());
    // A child process inherits it, even after it is closed here.
    let mut child = Command::new("sleep")
        .arg("60")
        .stdout(open.try_clone().unwrap())
        .spawn()
        .unwrap();
    drop(open);
    publish(&mut draft, &config("open")).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    let published = publish(&mut draft, &config("open")).unwrap();
    assert!(published.new);
}

/// A process that is just starting holds inherited descriptors until its `exec`.
#[test]
fn a_file_that_is_closed_a_moment_later_is_published() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    let open = File::create(draft.out().join("soon.txt")).unwrap();
    let closing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop(open);
    });
    assert!(publish(&mut draft, &config("open")).unwrap().new);
    closing.join().unwrap();
}

#[test]
fn what_it_was_made_from_has_to_be_there_still() {
    let (_folder, store) = store();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let stays = publish_texts(&store, &a, &Context::empty(), &[("x", "stays")]);
    let goes = publish_texts(&store, &a, &Context::empty(), &[("x", "goes")]);
    publish_texts(&store, &b, &[stays].into_iter().collect(), &[("x", "1")]);
    store.remove(&goes).force().run().unwrap();
    // For a derivation that exists, and for one that does not.
    for config in [b, config_on("c", &a)] {
        let mut draft = store.plumbing().draft().unwrap();
        let context = [goes.clone()].into_iter().collect();
        let error = draft
            .publish(&config, &context, Outcome::Ok, &built())
            .unwrap_err();
        assert_says(
            &error,
            &[
                "from which it was made, is not in the store",
                "it was removed meanwhile",
            ],
        );
    }
    assert_eq!(store.rrefs().unwrap().len(), 2);
}
