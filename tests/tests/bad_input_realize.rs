//! Failures of the environment during plans and runs: each error names its subject and gives advice, and the store is
//! unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::prelude::*;
use pylightnix::{Error, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tests::runs::{Told, assert_says, done, names, scratch, traces};
use tests::store::{Mount, can_mount, child, child_as_nobody, folder, objects};

/// A layer of a net.
#[derive(Clone, Serialize, Deserialize)]
struct Layer {
    rate: f64,
}

/// Bytes that serde supports and JSON does not.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::deserialize(from).map(Raw)
    }
}

/// A config with fields that can be invalid.
#[derive(Config)]
struct Net {
    #[config(default = 0.5)]
    rate: f64,
    #[config(default)]
    layers: Vec<Layer>,
    #[config(default)]
    shapes: BTreeMap<(u8, u8), u8>,
    #[config(default)]
    title: String,
    #[config(default = None)]
    raw: Option<Raw>,
}

#[stage]
fn net(_: &Build<Net>) -> Result<()> {
    Ok(())
}

#[track_caller]
fn no_config(net: Net, what: &[&str]) {
    let error = instantiate(net).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, what);
    assert_says(&error, &["help: "]);
}

#[test]
fn configs_that_cannot_be_json() {
    let new = Net::new;
    no_config(
        Net {
            rate: f64::NAN,
            ..new()
        },
        &["`rate`", "NaN"],
    );
    no_config(
        Net {
            rate: f64::NEG_INFINITY,
            ..new()
        },
        &["`rate`", "inf"],
    );
    let layers = [0.1, f64::INFINITY].map(|rate| Layer { rate }).into();
    no_config(Net { layers, ..new() }, &["layers[1].rate"]);
    let shapes = [((1, 2), 3)].into();
    no_config(Net { shapes, ..new() }, &["shapes"]);
    let title = instantiate(new()).unwrap().to_string();
    no_config(Net { title, ..new() }, &["`title`", "#[dref]"]);
    no_config(
        Net {
            raw: Some(Raw(vec![1])),
            ..new()
        },
        &["`raw`", "byte"],
    );
}

/// A config with default fields whose names are similar to other words.
#[derive(Config)]
struct Omitting {
    #[config(default, omit_default)]
    clip: Option<f64>,
    #[config(default, omit_default)]
    shift: f64,
    #[config(default = 1, omit_default)]
    seed: u128,
}

#[stage]
fn omitting(_: &Build<Omitting>) -> Result<()> {
    Ok(())
}

#[test]
fn values_that_serde_json_cannot_tell_apart() {
    let usual = instantiate(Omitting::new()).unwrap();
    let refused = instantiate(Omitting {
        clip: Some(f64::NAN),
        ..Omitting::new()
    })
    .unwrap_err();
    assert_says(&refused, &["`clip`", "NaN"]);
    let shifted = instantiate(Omitting {
        shift: -0.,
        ..Omitting::new()
    })
    .unwrap();
    assert!(shifted.config_json().text().contains("\"shift\": -0.0"));
    assert_ne!(shifted, usual);
    let large = instantiate(Omitting {
        seed: u128::MAX,
        ..Omitting::new()
    })
    .unwrap();
    assert!(
        large
            .config_json()
            .text()
            .contains("340282366920938463463374607431768211455")
    );
    let same = Omitting {
        shift: 0.,
        clip: None,
        seed: 1,
    };
    assert_eq!(instantiate(same).unwrap(), usual);
}

/// A text.
#[derive(Config)]
struct Note {
    #[selfref("note.txt")]
    note: SelfRef<Text>,
    text: String,
}

#[stage]
fn note(b: &Build<Note>) -> Result<NoteOutputs> {
    let note = b.note.save(&b.text)?;
    Ok(NoteOutputs { note })
}

fn of(text: &str) -> DRef<Note> {
    instantiate(Note::new(text.to_owned())).unwrap()
}

fn writing<F>(text: &str, also: F) -> DRef<Note>
where
    F: Fn(&Build<Note>) -> Result<()> + Send + Sync + 'static,
{
    of(text).with_realizer("also", move |b| -> Result<()> {
        let _ = b.note.save(&b.text)?;
        also(b)
    })
}

#[track_caller]
fn fails(store: &Store, plan: &DRef<Note>, what: &[&str]) -> Error {
    let before = objects(store);
    let Err(error) = store.realize(plan) else {
        panic!("it was realized")
    };
    assert_eq!(objects(store), before, "the store is as it was");
    assert_says(&error, what);
    assert_says(&error, &["help: ", &plan.to_string()]);
    error
}

#[test]
fn outputs_that_no_store_may_hold() {
    let (_folder, store) = scratch();
    let before = store.realize(&of("before")).unwrap();
    let socket = writing("a", |b| {
        fs::create_dir(b.path().join("run"))?;
        done(UnixListener::bind(b.path().join("run/sock"))?)
    });
    let what = [
        "stage `note` failed",
        "out/run/sock: it is a socket",
        "have the stage remove",
    ];
    let error = fails(&store, &socket, &what);
    // The failed build is kept, and the report says where.
    let report = format!("{error:?}");
    let (_, kept) = report.split_once("its folder is kept: ").unwrap();
    let kept = Path::new(kept.lines().next().unwrap());
    assert_eq!(names(&kept.join("out")), ["note.txt", "run"]);
    let name = writing("a", |b| {
        Ok(fs::write(b.path().join(OsStr::from_bytes(b"\xff")), "")?)
    });
    fails(
        &store,
        &name,
        &["it has a name that is not UTF-8", "have the stage remove"],
    );
    let pipe = writing("a", |b| {
        let status = Command::new("mkfifo").arg(b.path().join("pipe")).status()?;
        assert!(status.success());
        Ok(())
    });
    fails(&store, &pipe, &["out/pipe: it is a named pipe"]);
    let replaced = writing("a", |b| {
        fs::remove_dir_all(b.path())?;
        Ok(fs::write(b.path(), "a file")?)
    });
    fails(&store, &replaced, &["stage `note` failed"]);
    let gone = writing("a", |b| Ok(fs::remove_dir_all(b.path())?));
    fails(&store, &gone, &["is not a folder any more"]);
    for (target, says) in [
        ("nowhere", "is a link to nowhere, which does not exist"),
        ("note", "is a link to note, which does not exist"),
        (
            "/etc/hostname",
            "is a link to /etc/hostname, which is not published",
        ),
        ("../../../../format.json", "which is not published"),
    ] {
        let link = writing("a", move |b| {
            fs::remove_file(b.note.path()).ok();
            Ok(std::os::unix::fs::symlink(target, b.note.path())?)
        });
        fails(&store, &link, &["it did not keep its promise `note`", says]);
    }
    // All other stages continue as usual.
    assert_eq!(store.realize(&of("before")).unwrap(), before);
    assert_eq!(store.realize(&of("a")).unwrap().note.load().unwrap(), "a");
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, root)) = tests::store::part() else {
        return;
    };
    assert_eq!(part, "use a store that cannot be written");
    unwritable(&root);
}

/// Existing results are found; nothing is built.
fn unwritable(root: &Path) {
    let store = Store::open(root).unwrap();
    let before = traces(root);
    let rref = store.realize(&of("there")).unwrap();
    assert_eq!(rref.note.load().unwrap(), "there");
    assert!(store.plan(&of("there")).unwrap().is_done());
    assert!(!store.plan(&of("new")).unwrap().is_done());
    let told = Told::default();
    let plan = (of("there"), of("new"));
    let Err(error) = Realize::new(&store).observer(&told).run(&plan) else {
        panic!("it was realized")
    };
    assert!(told.of("started").is_empty(), "{:?}", told.lines());
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_says(&error, &[root.to_str().unwrap()]);
    let report = format!("{error:?}");
    assert!(
        report.contains("`ls -ld`") || report.contains("mounted read-only"),
        "{report}"
    );
    let changed = of("there").with_realizer("changed", |_| -> Result<()> { Ok(()) });
    let error = store.accept(&changed).unwrap_err();
    assert_says(&error, &["help: ", root.to_str().unwrap()]);
    assert_eq!(traces(root), before);
}

#[test]
fn a_store_that_cannot_be_written() {
    let folder = folder();
    let root = folder.path().join("store");
    let store = Store::open(&root).unwrap();
    store.realize(&of("there")).unwrap();
    drop(store);
    let mut child = child_as_nobody("use a store that cannot be written", &root);
    fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    for path in ["leases", "locks", "locks/b", "tmp"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o555);
        fs::set_permissions(root.join(path), mode).unwrap();
    }
    assert!(child.stdout(Stdio::inherit()).status().unwrap().success());
}

#[test]
fn a_file_system_that_cannot_be_written() {
    if !can_mount("a_file_system_that_cannot_be_written") {
        return;
    }
    let (folder, again) = (folder(), folder());
    let root = folder.path().join("store");
    Store::open(&root).unwrap().realize(&of("there")).unwrap();
    let mount = Mount::read_only(&root, again.path());
    // In another process, because one process treats both mounts as the same store.
    let mut child = child("use a store that cannot be written", &mount.at);
    assert!(child.stdout(Stdio::inherit()).status().unwrap().success());
}

/// Fills all free space until it is dropped.
struct Filler(PathBuf);

impl Filler {
    fn new(folder: &Path) -> Self {
        let path = folder.join("filler");
        // Write smaller and smaller parts, down to single bytes.
        let mut file = fs::File::create(&path).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![1; size]).is_err() {
                size /= 2;
            }
        }
        Filler(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // Truncate the file rather than remove it: a child that another test is just starting may hold it open for a moment.
        let _ = fs::write(&self.0, "");
    }
}

#[test]
fn a_disk_that_fills_up() {
    if !can_mount("a_disk_that_fills_up") {
        return;
    }
    let folder = folder();
    let mount = Mount::new(folder.path(), "size=512k");
    let store = Store::open(mount.at.join("store")).unwrap();
    let before = store.realize(&of("before")).unwrap();
    let free = "free some space on that file system and run again";
    let slot: Arc<Mutex<Option<Filler>>> = Arc::default();
    let filling = |place: &Path| {
        let (slot, place) = (slot.clone(), place.to_owned());
        move || *slot.lock().unwrap() = Some(Filler::new(&place))
    };
    let empty = || drop(slot.lock().unwrap().take());

    // The disk fills up while the stage saves.
    let fill = filling(&mount.at);
    let saving = of("a").with_realizer("saves", move |b| -> Result<()> {
        fill();
        done(b.note.save(&"long ".repeat(10_000))?)
    });
    let what = [
        "stage `note` failed",
        "cannot save artifact `note` of stage `note` at",
        "No space left",
        free,
    ];
    fails(&store, &saving, &what);
    empty();
    // The disk fills up while the result is published.
    let fill = filling(&mount.at);
    let publishing = writing("a", move |_| {
        fill();
        Ok(())
    });
    fails(
        &store,
        &publishing,
        &["stage `note` failed", "No space left", free],
    );
    empty();
    // The disk is full before anything begins.
    let filler = Filler::new(&mount.at);
    let Err(error) = store.realize(&of("b")) else {
        panic!("it was realized")
    };
    assert_says(&error, &[free]);
    assert_eq!(
        store.realize(&of("before")).unwrap(),
        before,
        "what is there is there"
    );
    drop(filler);
    assert_eq!(store.realize(&of("a")).unwrap().note.load().unwrap(), "a");
    assert_eq!(store.realize(&of("b")).unwrap().note.load().unwrap(), "b");
    assert_eq!(store.rrefs().unwrap().len(), 3);
}

/// Returns the paths of all files of failed builds.
fn kept_files(store: &Store) -> Vec<String> {
    let kept = tests::store::snapshot(&store.root().join("failed"));
    let files = kept
        .into_iter()
        .filter(|(_, (mode, _))| mode & 0o170_000 == 0o100_000);
    files.map(|(path, _)| path).collect()
}

#[test]
fn what_fills_a_disk_is_not_kept() {
    if !can_mount("what_fills_a_disk_is_not_kept") {
        return;
    }
    let folder = folder();
    let mount = Mount::new(folder.path(), "size=4m");
    let store = Store::open(mount.at.join("store")).unwrap();
    // A child process fills the disk, and cannot report it, because its message would go to the log.
    let script = "cat /dev/zero > \"$note\" 2>/dev/null; echo full; exit 1";
    let fill =
        move |b: &Build<Note>| -> Result<()> { done(b.run(b.command("sh").args(["-c", script]))?) };
    let filling = |text: &str| of(text).with_realizer("fills", fill);
    let what = [
        "stage `note` failed",
        "the disk is full",
        "free some space on that file system and run again",
        "was deleted, so that it does not keep the disk full",
    ];
    let error = fails(&store, &filling("a"), &what);
    assert!(
        !format!("{error:?}").contains("it printed nothing"),
        "{error:?}"
    );
    let kept = kept_files(&store);
    let is_small = |path: &String| path.ends_with("/log") || path.ends_with("/failure.json");
    assert!(kept.iter().all(is_small), "{kept:?}");
    // Other stages continue.
    assert_eq!(store.realize(&of("b")).unwrap().note.load().unwrap(), "b");

    // If the log itself fills the disk, its end is kept.
    let printing = of("c").with_realizer("prints", |b| -> Result<()> {
        let mut log = b.log();
        for line in 0.. {
            std::io::Write::write_all(&mut log, format!("line {line:0>1000}\n").as_bytes())?;
        }
        Ok(())
    });
    fails(&store, &printing, &what);
    let kept = kept_files(&store);
    assert!(kept.iter().all(is_small), "{kept:?}");
    let builds = store.failed_builds().unwrap();
    let records = builds.iter().map(|build| build.record().unwrap());
    let said: Vec<String> = records
        .flatten()
        .map(|record| record.error.clone())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    let log = fs::read_to_string(builds[1].log()).unwrap();
    assert!(
        log.len() < 100_000 && log.contains("as the disk was full"),
        "{}",
        log.len()
    );
    assert_eq!(store.realize(&of("d")).unwrap().note.load().unwrap(), "d");
}

/// A fallible stage.
#[derive(Config)]
struct Fills {
    #[selfref("file")]
    file: SelfRef<Bytes>,
}

#[stage(fallible)]
fn fills(b: &Build<Fills>) -> Result<()> {
    done(
        b.run(
            b.command("sh")
                .args(["-c", "cat /dev/zero > \"$file\" 2>/dev/null; exit 1"]),
        )?,
    )
}

#[test]
fn a_full_disk_is_no_result_of_a_stage() {
    if !can_mount("a_full_disk_is_no_result_of_a_stage") {
        return;
    }
    let folder = folder();
    let mount = Mount::new(folder.path(), "size=4m");
    let store = Store::open(mount.at.join("store")).unwrap();
    let error = store
        .realize(&instantiate(Fills::new()).unwrap())
        .unwrap_err();
    assert_says(&error, &["the disk is full"]);
    assert!(store.rrefs().unwrap().is_empty());
}

#[test]
fn a_store_that_is_removed_while_it_is_used() {
    // The store is removed between two runs.
    let (_folder, store) = scratch();
    store.realize(&of("a")).unwrap();
    fs::remove_dir_all(store.root()).unwrap();
    let Err(error) = store.realize(&of("b")) else {
        panic!("it was realized")
    };
    let root = store.root().display().to_string();
    assert_says(
        &error,
        &[&root, "help: ", "is gone: it was removed or moved"],
    );
    assert!(!store.root().exists(), "half a store is none");
    // The store is removed while a stage runs.
    let (_folder, store) = scratch();
    let root = store.root().to_owned();
    let removing = of("a").with_realizer("removes", move |b| -> Result<()> {
        fs::remove_dir_all(&root)?;
        done(b.note.save("a")?)
    });
    let Err(error) = store.realize(&removing) else {
        panic!("it was realized")
    };
    assert_says(
        &error,
        &["stage `note` failed", "No such file", "could not be kept"],
    );
    assert!(!store.root().exists());
    // The store is removed after the stage has written everything.
    let (_folder, store) = scratch();
    let root = store.root().to_owned();
    let removing = writing("a", move |_| {
        Ok(fs::rename(&root, root.with_extension("away"))?)
    });
    let Err(error) = store.realize(&removing) else {
        panic!("it was realized")
    };
    assert_says(&error, &["stage `note` failed", "is gone: "]);
    assert!(!store.root().exists());
    // A new store in its place works.
    let store = Store::open(store.root()).unwrap();
    assert_eq!(store.realize(&of("a")).unwrap().note.load().unwrap(), "a");
}

#[test]
fn a_broken_record_fails_its_stage_only() {
    let (_folder, store) = scratch();
    let broken = store.realize(&of("broken")).unwrap();
    let record = store.realization_dir(broken.id()).join("record");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("note.txt", "vote.txt")).unwrap();
    // The index knows the realization; without it, records are read.
    fs::remove_dir_all(store.root().join("cache/index")).unwrap();
    let store = Store::open(store.root()).unwrap();
    let plan = (of("broken"), of("whole"));
    let Err(error) = Realize::new(&store).keep_going().run(&plan) else {
        panic!("it was realized")
    };
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_says(
        &error,
        &[&broken.to_string(), "is broken", "help: ", "move "],
    );
    assert_eq!(store.rrefs_of(of("whole").id()).unwrap().len(), 1);
    // Follow the advice of the error.
    fs::remove_dir_all(store.realization_dir(broken.id())).unwrap();
    assert_eq!(store.realize(&of("broken")).unwrap(), broken);
}
