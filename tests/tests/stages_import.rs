//! Local files and folders as derivations.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::Digest;
use pylightnix::prelude::*;
use pylightnix::stages::{file, file_anew, file_expecting, file_named};
use pylightnix::store::Durability;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tests::runs::assert_says;

/// Creates a store, and a folder of files to import, on a disk: digests of files in memory are not cached.
fn places() -> (TempDir, Store, PathBuf) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let store = store.with_durability(Durability::None);
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    (folder, store, source)
}

/// Waits until any change of an existing file would change its times.
fn settle() {
    thread::sleep(Duration::from_millis(3100));
}

/// Returns the only file of the digest cache.
fn memory(store: &Store) -> PathBuf {
    let folder = store.root().join("cache/imports");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.pop().unwrap()
}

fn remembered(store: &Store) -> String {
    fs::read_to_string(memory(store)).unwrap()
}

#[test]
fn a_file_is_imported_by_its_content() -> Result<()> {
    let (_folder, store, source) = places();
    let one = source.join("one.txt");
    fs::write(&one, "hello\n")?;
    let dref = file(&store, &one)?;
    let rref = store.realize(&dref)?;
    assert_eq!(fs::read_to_string(rref.out.path())?, "hello\n");

    let other = source.join("other.txt");
    fs::write(&other, "hello\n")?;
    assert_eq!(file(&store, &other)?, dref, "the path does not count");
    let link = source.join("link");
    symlink("one.txt", &link)?;
    assert_eq!(file(&store, &link)?, dref, "a link is followed");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755))?;
    assert_ne!(file(&store, &other)?, dref, "the right to execute counts");

    fs::write(&one, "hallo\n")?;
    let changed = file(&store, &one)?;
    assert_ne!(changed, dref);
    assert_eq!(
        fs::read_to_string(store.realize(&changed)?.out.path())?,
        "hallo\n"
    );
    assert!(
        store.realize(&dref).is_ok(),
        "what was imported is still there"
    );
    Ok(())
}

#[test]
fn a_folder_is_imported_with_all_that_is_in_it() -> Result<()> {
    let (_folder, store, source) = places();
    fs::create_dir_all(source.join("deep/empty"))?;
    fs::write(source.join("deep/run.sh"), "#!/bin/sh\n")?;
    fs::set_permissions(
        source.join("deep/run.sh"),
        fs::Permissions::from_mode(0o700),
    )?;
    fs::write(source.join("none"), "")?;
    symlink("deep/run.sh", source.join("run"))?;
    let dref = file(&store, &source)?;
    let out = store.realize(&dref)?.out.path().to_owned();
    assert!(out.join("deep/empty").is_dir());
    assert_eq!(fs::read_link(out.join("run"))?, Path::new("deep/run.sh"));
    let mode =
        |path: &str| Ok::<_, std::io::Error>(out.join(path).metadata()?.permissions().mode());
    assert_eq!(mode("deep/run.sh")? & 0o777, 0o555);
    assert_eq!(mode("none")? & 0o777, 0o444);

    fs::rename(source.join("none"), source.join("nothing"))?;
    assert_ne!(file(&store, &source)?, dref, "names count");
    Ok(())
}

#[test]
fn what_is_remembered_is_not_read_again() -> Result<()> {
    let (_folder, store, source) = places();
    fs::write(source.join("a"), "first")?;
    fs::write(source.join("b"), "second")?;
    settle();
    let dref = file(&store, &source)?;
    let text = remembered(&store);

    // A wrong digest in the cache shows which digest is used.
    let first = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    assert!(text.contains(first), "{text}");
    let forged = text.replace(first, &"0".repeat(64));
    fs::write(memory(&store), &forged)?;
    let other = file(&store, &source)?;
    assert_ne!(other, dref, "the memory was not used");
    let error = store.realize(&other).unwrap_err();
    assert_says(&error, &["changed after it was hashed", "run again"]);

    assert_eq!(file_anew(&store, &source)?, dref, "all is read again");
    assert_eq!(remembered(&store).len(), text.len());
    assert_eq!(file(&store, &source)?, dref);

    // Equal size and mtime with different bytes: setting the mtime back does not hide the change.
    let time = source.join("a").metadata()?.modified()?;
    let mut a = File::options().write(true).open(source.join("a"))?;
    a.write_all(b"FIRST")?;
    a.set_modified(time)?;
    drop(a);
    assert_ne!(file(&store, &source)?, dref);
    Ok(())
}

#[test]
fn a_file_of_just_now_is_not_trusted() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("data");
    fs::write(&path, "one")?;
    let first = file(&store, &path)?;
    assert!(!remembered(&store).contains("[["), "{}", remembered(&store));
    // A second change is noticed, however soon it follows.
    for round in 0..200 {
        let text = format!("{round:03}");
        fs::write(&path, &text)?;
        let dref = file(&store, &path)?;
        fs::write(&path, "one")?;
        assert_eq!(file(&store, &path)?, first);
        assert_ne!(dref, first);
    }
    // An mtime in the past proves nothing, because it can be set.
    File::options()
        .write(true)
        .open(&path)?
        .set_modified(SystemTime::now() - Duration::from_secs(3600))?;
    file(&store, &path)?;
    assert!(
        remembered(&store).contains("\"settled\":{}"),
        "{}",
        remembered(&store)
    );
    Ok(())
}

/// Writes through an open descriptor or mapping need not change the times of a file.
#[test]
fn a_file_that_somebody_writes_is_not_remembered() -> Result<()> {
    let (_folder, store, source) = places();
    fs::write(source.join("done"), "done")?;
    let mut growing = File::create(source.join("growing"))?;
    growing.write_all(b"one line\n")?;
    settle();
    let before = file(&store, &source)?;
    let text = remembered(&store);
    assert!(
        text.contains("\"done\"") && !text.contains("\"growing\""),
        "{text}"
    );
    drop(growing);
    assert_eq!(file(&store, &source)?, before);
    let text = remembered(&store);
    assert!(
        text.contains("\"done\"") && text.contains("\"growing\""),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_file_in_memory_is_not_remembered() -> Result<()> {
    let (_folder, store, _) = places();
    let memory = tempfile::tempdir_in("/dev/shm")?;
    let path = memory.path().join("data");
    fs::write(&path, "data")?;
    settle();
    file(&store, &path)?;
    let text = remembered(&store);
    assert!(text.contains("\"settled\":{}"), "{text}");
    Ok(())
}

#[test]
fn the_memory_may_vanish_or_break() -> Result<()> {
    let (_folder, store, source) = places();
    fs::write(source.join("a"), "first")?;
    settle();
    let dref = file(&store, &source)?;
    for broken in ["", "{", "[]", "{\"source\":\"/elsewhere\",\"files\":{}}"] {
        fs::write(memory(&store), broken)?;
        assert_eq!(file(&store, &source)?, dref, "{broken}");
    }
    fs::remove_dir_all(store.root().join("cache"))?;
    assert_eq!(file(&store, &source)?, dref);
    assert!(memory(&store).is_file(), "it is remembered again");
    Ok(())
}

#[test]
fn a_file_that_vanished_is_named() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("gone.txt");
    let error = file(&store, &path).unwrap_err();
    assert_says(
        &error,
        &[
            "cannot import",
            "gone.txt",
            "No such file",
            "give an absolute path or one relative to",
        ],
    );

    fs::write(&path, "here")?;
    let dref = file(&store, &path)?;
    fs::remove_file(&path)?;
    let error = store.realize(&dref).unwrap_err();
    assert_says(
        &error,
        &["gone.txt changed after it was hashed", "No such file"],
    );
    Ok(())
}

#[test]
fn a_change_between_hashing_and_copying_is_seen() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("data");
    fs::write(&path, "before")?;
    let dref = file(&store, &path)?;
    fs::write(&path, "after!")?;
    let error = store.realize(&dref).unwrap_err();
    assert_says(
        &error,
        &[
            "data changed after it was hashed",
            "it is then another derivation",
        ],
    );
    fs::write(&path, "before")?;
    assert_eq!(
        fs::read_to_string(store.realize(&dref)?.out.path())?,
        "before"
    );
    Ok(())
}

#[test]
fn a_file_that_is_being_written_is_refused_or_whole() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("data");
    fs::write(&path, vec![b'a'; 16 << 20])?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let error = file_anew(&store, &path);
        stop.store(true, Ordering::Relaxed);
        assert_says(
            &error.unwrap_err(),
            &["data changed while it was imported", "no program writes"],
        );
    });
    Ok(())
}

#[test]
fn what_no_output_may_hold_is_refused() -> Result<()> {
    let (_folder, store, source) = places();
    let refused = |what: &[&str]| {
        let error = file(&store, &source).unwrap_err();
        assert_says(&error, what);
    };
    let socket = source.join("socket");
    let listener = UnixListener::bind(&socket)?;
    refused(&["cannot import", "/socket", "is a socket"]);
    let error = file(&store, &socket).unwrap_err();
    assert_says(&error, &["is a socket"]);
    drop(listener);
    fs::remove_file(&socket)?;

    symlink("../elsewhere", source.join("out"))?;
    refused(&["/out", "leads out of the imported folder"]);
    fs::remove_file(source.join("out"))?;
    symlink("/etc/passwd", source.join("out"))?;
    refused(&["/out", "leads out of the imported folder"]);
    fs::remove_file(source.join("out"))?;

    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    fs::write(source.join(name), "")?;
    refused(&["has a name that is not UTF-8"]);
    fs::remove_file(source.join(name))?;

    let error = file(&store, "/dev/null").unwrap_err();
    assert_says(&error, &["/dev/null", "is a device"]);
    let above = store.root().parent().unwrap();
    let error = file(&store, above).unwrap_err();
    assert_says(&error, &["the store lies in it"]);
    assert!(file(&store, &source).is_ok());
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_is_named() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("secret");
    fs::write(&path, "secret")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000))?;
    if File::open(&path).is_err() {
        let error = file(&store, &source).unwrap_err();
        assert_says(&error, &["/secret", "Permission denied", "ls -ld"]);
    } else {
        // Even root cannot read memory at address 0.
        let error = file(&store, "/proc/self/mem").unwrap_err();
        assert_says(&error, &["cannot read /proc/"]);
    }
    Ok(())
}

#[test]
fn a_file_with_holes_takes_no_more_room_than_before() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("hollow");
    let hollow = File::create(&path)?;
    hollow.set_len(40 << 20)?;
    let imported = store.realize(&file(&store, &path)?)?;
    let data = fs::metadata(imported.out.path())?;
    assert_eq!(data.len(), 40 << 20);
    let room = std::os::unix::fs::MetadataExt::blocks(&data) * 512;
    assert!(room < 1 << 20, "{room}");
    Ok(())
}

#[test]
fn a_file_that_gets_another_hard_link_has_not_changed() -> Result<()> {
    let (folder, store, source) = places();
    let (data, link) = (source.join("data"), folder.path().join("link"));
    let stop = AtomicBool::new(false);
    fs::write(&data, "")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::hard_link(&data, &link).unwrap();
                fs::remove_file(&link).unwrap();
            }
        });
        let imported = (0..5_u8).try_for_each(|round| {
            let bytes = vec![round; 8 << 20];
            fs::write(&data, &bytes)?;
            let copy = store.realize(&file_anew(&store, &data)?)?;
            assert!(fs::read(copy.out.path())? == bytes);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        imported
    })
}

#[test]
fn a_file_may_keep_its_name() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("data.csv");
    fs::write(&path, "1,2\n")?;
    let named = file_named(&store, &path)?;
    let made = store.realize(&named)?;
    assert_eq!(
        fs::read_to_string(made.out.path().join("data.csv"))?,
        "1,2\n"
    );
    assert_ne!(named.id(), file(&store, &path)?.id());
    let inside: RefPath<Text> = named.out.join("data.csv")?;
    assert_eq!(inside.path(), "content/data.csv");
    // It is what a folder with this file alone gives, and the name counts.
    let folder = source.join("folder");
    fs::create_dir(&folder)?;
    fs::copy(&path, folder.join("data.csv"))?;
    assert_eq!(file(&store, &folder)?, named);
    fs::rename(&path, source.join("other.csv"))?;
    assert_ne!(file_named(&store, source.join("other.csv"))?, named);
    let error = file_named(&store, &folder).unwrap_err();
    assert_says(&error, &["cannot import", "it is a folder"]);
    Ok(())
}

#[test]
fn a_link_to_a_file_gives_it_its_own_name() -> Result<()> {
    let (_folder, store, source) = places();
    fs::write(source.join("v3-final.csv"), "1,2\n")?;
    let link = source.join("data.csv");
    symlink("v3-final.csv", &link)?;
    let named = file_named(&store, &link)?;
    let made = store.realize(&named)?;
    let copy = made.out.path().join("data.csv");
    assert_eq!(fs::read_to_string(&copy)?, "1,2\n");
    assert!(!fs::symlink_metadata(&copy)?.is_symlink());
    // The links before the name lead to the same file.
    symlink(&source, source.join("again"))?;
    assert_eq!(file_named(&store, source.join("again/data.csv"))?, named);
    // What it leads to when it is realized has to be what was hashed.
    fs::write(source.join("v4.csv"), "3,4\n")?;
    fs::remove_file(&link)?;
    symlink("v4.csv", &link)?;
    let other = file_named(&store, &link)?;
    assert_ne!(other, named);
    fs::remove_file(&link)?;
    symlink("v3-final.csv", &link)?;
    let error = store.realize(&other).unwrap_err();
    assert_says(&error, &["changed after it was hashed"]);
    Ok(())
}

#[test]
fn a_file_whose_hash_is_known_is_that_file_or_an_error_that_names_both() -> Result<()> {
    let (_folder, store, source) = places();
    let path = source.join("data.csv");
    fs::write(&path, "1,2\n")?;
    let sha256 = Digest::of(b"1,2\n").to_string();
    assert_eq!(
        file_expecting(&store, &path, &sha256)?,
        file(&store, &path)?
    );
    fs::write(&path, "1,3\n")?;
    let error = file_expecting(&store, &path, &sha256).unwrap_err();
    let other = Digest::of(b"1,3\n").to_string();
    assert_says(&error, &[&sha256, &other, "do not trust the file"]);
    assert!(file_expecting(&store, &path, "abc").is_err());
    assert!(file_expecting(&store, &source, &sha256).is_err());
    Ok(())
}
