//! Outputs that cannot be published, and failing system calls: the store is unchanged, and the error gives advice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use pylightnix::ErrorKind;
use pylightnix::config::{ConfigJson, Name};
use pylightnix::store::{Context, Draft, Store};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::store::{
    Mount, can_mount, child, child_as_nobody, config, folder, objects, publish, publish_texts,
    store,
};

/// Returns the report of publishing what `fill` writes.
fn refused(fill: impl FnOnce(&Path)) -> String {
    let (_folder, store) = store();
    publish_texts(&store, &config("before"), &Context::empty(), &[("x", "1")]);
    let before = objects(&store);
    let mut draft = store.plumbing().draft().unwrap();
    fill(draft.out());
    let error = publish(&mut draft, &config("stage")).unwrap_err();
    assert_eq!(objects(&store), before);
    let kept = draft.keep_failed(&Name::new("stage").unwrap()).unwrap();
    assert!(kept.exists());
    format!("{error:?}")
}

#[test]
fn entries_that_no_output_may_hold() {
    let says = |report: &str, what: &[&str]| {
        for what in what {
            assert!(report.contains(what), "{what:?} is not in: {report}");
        }
    };
    let help = "help: an output holds files, folders and links with UTF-8 names";
    let socket = refused(|out| drop(UnixListener::bind(out.join("sock")).unwrap()));
    says(&socket, &["out/sock: it is a socket", help]);
    let pipe = refused(|out| {
        let made = Command::new("mkfifo").arg(out.join("pipe")).status();
        assert!(made.unwrap().success());
    });
    says(&pipe, &["out/pipe: it is a named pipe", help]);
    let name = refused(|out| {
        fs::create_dir(out.join("a")).unwrap();
        fs::write(out.join("a").join(OsStr::from_bytes(b"bad\xff")), "").unwrap();
    });
    says(
        &name,
        &["out/a/bad", "it has a name that is not UTF-8", help],
    );
    let target = refused(|out| symlink(OsStr::from_bytes(b"\xff"), out.join("link")).unwrap());
    says(
        &target,
        &["out/link: it is a link whose target is not UTF-8", help],
    );
    let deep = refused(|out| fs::create_dir_all(out.join("d/".repeat(129))).unwrap());
    says(
        &deep,
        &["is nested 129 deep; the limit for an output is 128", help],
    );
    // Deeper than the limit on open files.
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    fs::create_dir_all(draft.out().join("d/".repeat(1_900))).unwrap();
    assert!(publish(&mut draft, &config("deep")).is_err());
    let out = draft.out().to_owned();
    drop(draft);
    assert!(!out.parent().unwrap().exists());
    let file = refused(|out| {
        fs::remove_dir(out).unwrap();
        fs::write(out, "").unwrap();
    });
    says(
        &file,
        &[
            "is not a folder any more",
            "help: write into the given folder",
        ],
    );
    let gone = refused(|out| fs::remove_dir(out).unwrap());
    says(&gone, &["out is not a folder any more"]);
}

#[test]
fn a_file_that_is_still_written_to() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    let path = draft.out().join("growing");
    fs::write(&path, vec![0; 16 << 20]).unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
            }
        });
        let error = publish(&mut draft, &config("stage")).unwrap_err();
        done.store(true, Ordering::Relaxed);
        let report = format!("{error:?}");
        // Where the system does not reveal writers, the growth of the file is detected.
        let why = [
            "growing is still open for writing",
            "growing was changed while",
        ];
        assert!(why.iter().any(|why| report.contains(why)), "{report}");
        assert!(report.contains("help: "), "{report}");
    });
    drop(file);
    // When the file has stopped growing, the same draft can be published.
    publish(&mut draft, &config("stage")).unwrap();
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = tests::store::part() else {
        return;
    };
    match part.as_str() {
        "publish odd modes" => odd_modes(&place),
        "use a store that cannot be written" => unwritable(&place),
        "make a store where that is not allowed" => {
            let report = format!("{:?}", Store::open(place.join("new")).unwrap_err());
            assert!(report.contains("cannot create the store"), "{report}");
            assert!(report.contains("help: see who owns it"), "{report}");
        }
        "find a store that cannot be read" => {
            let report = format!("{:?}", Store::open(&place).unwrap_err());
            assert!(report.contains("cannot read"), "{report}");
            assert!(report.contains("help: see who owns it"), "{report}");
        }
        other => panic!("no part is called {other}"),
    }
}

fn plays(mut child: Command) {
    assert!(
        child
            .stdout(std::process::Stdio::inherit())
            .status()
            .unwrap()
            .success()
    );
}

/// Files and folders that their owner cannot read are published anyway.
fn odd_modes(place: &Path) {
    let store = Store::open(place.join("theirs")).unwrap();
    let mut draft = store.plumbing().draft().unwrap();
    let out = draft.out().to_owned();
    fs::create_dir_all(out.join("closed/below")).unwrap();
    fs::write(out.join("closed/none"), "1").unwrap();
    fs::write(out.join("linked"), "2").unwrap();
    fs::create_dir(out.join("fixed")).unwrap();
    fs::hard_link(out.join("linked"), out.join("fixed/other")).unwrap();
    let set = |path: &str, mode| {
        fs::set_permissions(out.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("closed/none", 0);
    set("closed/below", 0);
    set("closed", 0);
    set("fixed", 0o500);
    let id = publish(&mut draft, &config("stage")).unwrap().id;
    let none = store.out_dir(&id).join("closed/none");
    assert_eq!(fs::read_to_string(none).unwrap(), "1");
    // The rest is removed although it is read-only.
    let mut again = store.plumbing().draft().unwrap();
    fs::create_dir_all(again.out().join("closed/below")).unwrap();
    fs::write(again.out().join("closed/none"), "1").unwrap();
    fs::write(again.out().join("linked"), "2").unwrap();
    fs::create_dir(again.out().join("fixed")).unwrap();
    fs::write(again.out().join("fixed/other"), "2").unwrap();
    let folder = again.out().to_owned();
    assert_eq!(publish(&mut again, &config("stage")).unwrap().id, id);
    drop(again);
    assert!(!folder.exists());
}

#[test]
fn modes_that_forbid_reading() {
    let folder = folder();
    plays(child_as_nobody("publish odd modes", folder.path()));
}

/// The store can be read, and operations that write explain why they fail.
fn unwritable(root: &Path) {
    let store = Store::open(root).unwrap();
    let config: ConfigJson = store.config(&store.drefs().unwrap()[0]).unwrap();
    let found = store
        .plumbing()
        .candidates(config.id(), &Context::empty())
        .unwrap();
    assert_eq!(found.len(), 1);
    let path = found[0].out().join("x");
    assert_eq!(fs::read_to_string(path).unwrap(), "1");
    assert!(store.check().contents().run().unwrap().is_sound());
    let kept = store.gc().plan().unwrap().kept;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = Store::open(elsewhere.path().join("store")).unwrap();
    copy.copy_from(&store, [&found[0].id]).unwrap();
    store
        .pack([&found[0].id], elsewhere.path().join("archive"))
        .unwrap();
    let errors = [
        store.gc().run().map(drop).unwrap_err(),
        store
            .remove(&found[0].id)
            .force()
            .run()
            .map(drop)
            .unwrap_err(),
        store.repair().run().map(drop).unwrap_err(),
        store.add_root("x", &found[0].id).unwrap_err(),
        store
            .link(&found[0].id, elsewhere.path().join("x"))
            .unwrap_err(),
        store
            .copy_from(&copy, [&found[0].id])
            .map(drop)
            .unwrap_err(),
        store.plumbing().draft().map(|_: Draft| ()).unwrap_err(),
        store
            .plumbing()
            .lock_build(config.id(), &Context::empty(), &mut || ())
            .map(drop)
            .unwrap_err(),
        store.plumbing().save_code("0", "").unwrap_err(),
        store
            .plumbing()
            .add_build(&found[0].id, &tests::store::built(), None)
            .unwrap_err(),
        store
            .plumbing()
            .add_derivation(&tests::store::config("another"))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Io);
        let report = format!("{error:?}");
        assert!(report.contains(root.to_str().unwrap()), "{report}");
        assert!(
            report.contains("help: see who owns it") || report.contains("mounted read-only"),
            "{report}"
        );
    }
    assert_eq!(store.gc().plan().unwrap().kept, kept);
}

#[test]
fn a_store_of_somebody_else() {
    let (folder, store) = store();
    publish_texts(&store, &config("stage"), &Context::empty(), &[("x", "1")]);
    let root = store.root().to_owned();
    drop(store);
    for path in ["leases", "locks/b", "locks"] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o555)).unwrap();
    }
    plays(child_as_nobody("use a store that cannot be written", &root));
    let closed = folder.path().join("closed");
    Store::open(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    plays(child_as_nobody("find a store that cannot be read", &closed));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    plays(child_as_nobody(
        "make a store where that is not allowed",
        folder.path(),
    ));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_system_that_is_read_only() {
    if !can_mount("a_file_system_that_is_read_only") {
        return;
    }
    let (_folder, store) = store();
    publish_texts(&store, &config("stage"), &Context::empty(), &[("x", "1")]);
    let again = folder();
    let mount = Mount::read_only(store.root(), again.path());
    plays(child("use a store that cannot be written", &mount.at));
}

#[test]
fn a_disk_that_is_full() {
    if !can_mount("a_disk_that_is_full") {
        return;
    }
    let folder = folder();
    let mount = Mount::new(folder.path(), "size=256k");
    let store = Store::open(mount.at.join("store")).unwrap();
    publish_texts(&store, &config("before"), &Context::empty(), &[("x", "1")]);
    let before = objects(&store);
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "2").unwrap();
    let filler = mount.at.join("filler");
    let _ = fs::write(&filler, vec![1; 1 << 20]);
    let error = publish(&mut draft, &config("stage")).unwrap_err();
    assert_eq!(objects(&store), before);
    let report = format!("{error:?}");
    assert!(report.contains("help: free some space"), "{report}");
    let mut other = store.plumbing().draft().unwrap();
    fs::write(other.out().join("x"), "").unwrap();
    let error = publish(&mut other, &config("stage")).unwrap_err();
    assert!(
        error
            .path()
            .is_some_and(|path| path.starts_with(store.root()))
    );
    drop(other);
    // Truncate the file rather than remove it: a child that another test is just starting may hold it open for a moment.
    fs::write(&filler, "").unwrap();
    let id = publish(&mut draft, &config("stage")).unwrap().id;
    let text = fs::read_to_string(store.out_dir(&id).join("x")).unwrap();
    assert_eq!(text, "2");
}

#[test]
fn a_store_on_two_file_systems() {
    if !can_mount("a_store_on_two_file_systems") {
        return;
    }
    let (_folder, store) = store();
    store.plumbing().draft().unwrap();
    let _mount = Mount::new(&store.root().join("tmp"), "size=1m");
    let before = objects(&store);
    let mut draft = store.plumbing().draft().unwrap();
    let error = publish(&mut draft, &config("stage")).unwrap_err();
    assert_eq!(objects(&store), before);
    let report = format!("{error:?}");
    assert!(
        report.contains("must be on the same file system"),
        "{report}"
    );
}
