//! Stores of the Python package come in and go out, with the real package from PyPI.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::{Array0, Array1, Array2, ArrayD, IxDyn, array};
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::lens::format::{AnyArray, Format, Npz, NpzCompressed};
use pylightnix::prelude::*;
use pylightnix::store::python::{Export, Import, Imported, PythonStore};
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome};
use serde_json::Value;
use tests::python::Python;
use tests::store::{config, copy_all, publish_texts};

/// Every file, folder and link below a folder, but for empty `tmp`.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let what = fs::symlink_metadata(&path).unwrap();
            let shown = if what.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().display())
            } else if what.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else {
                let bytes = fs::read(&path).unwrap();
                format!("file {} {bytes:?}", what.mode() & 0o100 != 0)
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), shown);
        }
    }
    found
}

fn texts(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn names(imported: &Imported) -> BTreeSet<String> {
    let all = imported.realizations.iter();
    all.map(|one| one.python.to_string()).collect()
}

fn scratch(root: &Path) -> Store {
    Store::open(root).unwrap().with_durability(Durability::None)
}

/// Lets a test change a realization of a Python store.
fn open_up(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

#[test]
fn generated_stores_go_there_and_back() {
    let Some(python) = Python::shared() else {
        return;
    };
    for (seed, count) in [("1", "200"), ("2", "70")] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (made, text) = (at("made"), at("made").display().to_string());
        let answer = python.run(["make", seed, count, &text]);
        let rrefs = texts(&answer["rrefs"]);
        assert!(rrefs.len() >= 50, "{}", rrefs.len());

        let store = scratch(&at("store"));
        let from = PythonStore::open(&made).unwrap();
        let planned = Import::new(&store).plan(&from).unwrap();
        assert_eq!(store.rrefs().unwrap(), []);
        let imported = Import::new(&store).run(&from).unwrap();
        assert!(imported.left_out.is_empty(), "{:?}", imported.left_out);
        assert_eq!(imported.realizations, planned.realizations);
        assert_eq!(names(&imported), rrefs);
        assert!(
            imported
                .realizations
                .iter()
                .all(|one| one.is_new && one.is_checked)
        );
        assert_eq!(store.rrefs().unwrap().len(), rrefs.len());
        assert!(store.check().contents().run().unwrap().faults.is_empty());

        // The newest is the one that `match_latest` takes, as far as there is one with a time.
        let here: BTreeMap<String, RRefId> = (imported.realizations.iter())
            .map(|one| (one.python.to_string(), one.rref.clone()))
            .collect();
        for (_, taken) in answer["latest"].as_object().unwrap() {
            let taken = &here[taken[0].as_str().unwrap()];
            let is_built = store.realization(taken).unwrap().builds().len() > 1;
            if is_built {
                assert_eq!(store.newest_of(taken.dref()).unwrap(), *taken);
            }
        }
        let failures = imported.realizations.iter().filter(|one| {
            let it = store.realization(&one.rref).unwrap();
            let text = store.out_dir(&one.rref).join("failure.txt");
            it.outcome == Outcome::Failed && fs::read_to_string(text).unwrap().contains("failed é")
        });
        assert!(failures.count() > 2);

        // Importing twice makes nothing new.
        let before = tree(&at("store/store-v1"));
        let again = store.import_python(&made).unwrap();
        assert!(again.realizations.iter().all(|one| !one.is_new));
        assert!(tree(&at("store/store-v1")) == before);

        // And back, to the byte.
        let exported = store
            .export_python(store.rrefs().unwrap(), at("back"))
            .unwrap();
        assert!(exported.left_out.is_empty(), "{:?}", exported.left_out);
        for one in &exported.realizations {
            assert_eq!(here[&one.python.to_string()], one.rref);
        }
        let (there, back) = (tree(&made.join("store-v0")), tree(&at("back/store-v0")));
        assert_eq!(
            there.keys().collect::<Vec<_>>(),
            back.keys().collect::<Vec<_>>()
        );
        assert!(there == back);
        assert_eq!(fs::read_dir(at("back/tmp")).unwrap().count(), 0);

        // The package finds all of it, runs nothing, and builds on it.
        let found = python.run(["build_on", seed, count, &at("back").display().to_string()]);
        assert_eq!(found["chosen"], answer["chosen"]);
        // What it built comes in, too, and what went out before is known.
        let more = store.import_python(at("back")).unwrap();
        assert!(more.left_out.is_empty(), "{:?}", more.left_out);
        let new = more.realizations.iter().filter(|one| one.is_new);
        assert_eq!(new.count(), 1);
    }
}

#[test]
fn archives_come_in_and_go_out() {
    let Some(python) = Python::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    let answer = python.run(["make", "3", "40", &shown("made")]);

    // A tar archive of the folder keeps links.
    let tar = Command::new("tar")
        .args([
            "czf",
            &shown("all.tar.gz"),
            "-C",
            &shown("made"),
            "store-v0",
        ])
        .status();
    assert!(tar.unwrap().success());
    let store = scratch(&at("store"));
    let imported = store.import_python(at("all.tar.gz")).unwrap();
    assert!(imported.left_out.is_empty(), "{:?}", imported.left_out);
    assert_eq!(names(&imported), texts(&answer["rrefs"]));

    // `spack` follows links: such a realization has another hash then, and is left out with all above it.
    python.run(["pack", "3", "40", &shown("made"), &shown("packed.zip")]);
    let other = scratch(&at("other"));
    let packed = other.import_python(at("packed.zip")).unwrap();
    let mut packed_names = names(&packed);
    for left in &packed.left_out {
        let why = left.error.to_string();
        let is_link = why.contains("do not have the hash in its name");
        assert!(is_link || why.contains("which is left out"), "{why}");
        packed_names.insert(left.name.clone());
    }
    assert!(packed.realizations.len() > 10);
    assert_eq!(packed_names, texts(&answer["rrefs"]));

    // `sunpack` reads what is exported, if it has only files.
    let noise = python.run(["noise", &shown("noise"), "2"]);
    let simple = scratch(&at("simple"));
    simple.import_python(at("noise")).unwrap();
    let rrefs = simple.rrefs().unwrap();
    let exported = simple.export_python(&rrefs, at("simple.zip")).unwrap();
    assert!(exported.realizations.iter().all(|one| one.is_flat));
    let unpacked = python.run(["unpack", &shown("simple.zip"), &shown("unpacked")]);
    assert_eq!(unpacked["rrefs"], noise["rrefs"]);
    // It is replaced, and by nothing that is no such archive.
    simple.export_python(&rrefs, at("simple.zip")).unwrap();
    fs::write(at("table.zip"), "x,y\n").unwrap();
    let refused = simple.export_python(&rrefs, at("table.zip")).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("it is not an archive of the Python package"),
        "{refused}"
    );

    // What is no store, and no archive of the package.
    for (place, why) in [
        (at("store"), "it holds no folder `store-v0`"),
        (at("table.zip"), "it has an unknown type"),
    ] {
        let refused = store.import_python(&place).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    store.pack(store.rrefs().unwrap(), at("ours.zip")).unwrap();
    let refused = store.import_python(at("ours.zip")).unwrap_err();
    assert!(
        refused.to_string().contains("an archive of this library"),
        "{refused}"
    );
}

/// What the stage `noise` of Python is here.
#[derive(Config)]
struct Noise {
    #[selfref("value.json")]
    out: SelfRef<Json<f64>>,
    level: u32,
}

#[stage(nouts = 5)]
fn noise(b: &Build<Noise>) -> Result<NoiseOutputs> {
    Ok(NoiseOutputs {
        out: b.out.save(&(b.index() as f64))?,
    })
}

#[test]
fn latest_takes_what_match_latest_takes() {
    let Some(python) = Python::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for round in 0..3 {
        let (made, here) = (at(&format!("made{round}")), at(&format!("here{round}")));
        let taken = python.run(["noise", &made.display().to_string(), "3"]);
        let store = Store::open(&here).unwrap();
        let imported = store.import_python(&made).unwrap();
        assert_eq!(imported.realizations.len(), 15);
        let stage = instantiate(Noise::new(3)).unwrap();

        // It is not known which code made them, so they do not count by themselves.
        assert!(!store.plan(&stage).unwrap().is_done());
        let trusting = Realize::new(&store).trust_unknown().run(&stage).unwrap();
        assert_eq!(Value::from(trusting.out.load().unwrap()), taken["value"]);
        let accepted = Realize::new(&store).accept().unknown().run(&stage).unwrap();
        assert_eq!(accepted.accepted.len(), 15);
        assert!(store.plan(&stage).unwrap().is_done());
        let result = store.realize(&stage).unwrap();
        assert_eq!(Value::from(result.out.load().unwrap()), taken["value"]);

        // The build is that of Python: its times, and nobody's machine.
        let builds = result.builds();
        let build = builds
            .iter()
            .find(|build| build.kind == BuildKind::Build)
            .unwrap();
        let origin = build.python.as_ref().unwrap();
        assert_eq!(Value::from(origin.rref.to_string()), taken["rref"]);
        let place = store_folder(&made, &origin.rref);
        let text = |name: &str| fs::read_to_string(place.join(name)).ok();
        assert_eq!(origin.start, text("__buildstart__.txt"));
        assert_eq!(origin.stop, text("__buildstop__.txt"));
        assert!(origin.start.as_ref().unwrap().contains("+0"), "{origin:?}");
        assert_eq!(
            (build.host.as_str(), build.fingerprint.as_ref()),
            ("", None)
        );
        let import = builds
            .iter()
            .find(|build| build.kind == BuildKind::Import)
            .unwrap();
        let from = import.python.as_ref().unwrap().store.as_ref().unwrap();
        assert_eq!(Path::new(from), fs::canonicalize(&made).unwrap());

        // What is made here is newer, and Python takes it when it is there.
        let ours = Realize::new(&store).force(&stage).run(&stage).unwrap();
        store.export_python([ours.id()], &made).unwrap();
        let found = python.run(["taken", &made.display().to_string()]);
        assert_eq!(found["value"], Value::from(ours.out.load().unwrap()));
    }
}

fn store_folder(root: &Path, rref: &RRefId) -> PathBuf {
    let place = root.join("store-v0").join(rref.dref().folder());
    place.join(rref.folder())
}

/// A Python store with a chain of three stages, written as the package would.
struct Chain {
    root: PathBuf,
    rrefs: Vec<RRefId>,
}

/// Makes it by an export.
fn chain(folder: &Path, files: &[(&str, &str)]) -> Chain {
    let store = scratch(&folder.join("origin"));
    let mut made: Vec<RRefId> = Vec::new();
    for name in ["a", "b", "c"] {
        let on = made.last().map(|rref| rref.dref().to_string());
        let text = serde_json::json!({"name": name, "on": on}).to_string();
        let config = ConfigJson::from_json(&text).unwrap();
        let context: Context = made.last().cloned().into_iter().collect();
        made.push(publish_texts(&store, &config, &context, files));
    }
    let root = folder.join("python");
    let exported = store.export_python(&made, &root).unwrap();
    assert!(exported.left_out.is_empty());
    Chain {
        rrefs: exported
            .realizations
            .into_iter()
            .map(|one| one.python)
            .collect(),
        root,
    }
}

/// Imports, and returns why things are left out.
fn left_out(root: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = scratch(&folder.path().join("store"));
    let imported = store.import_python(root).unwrap();
    assert!(store.check().contents().run().unwrap().faults.is_empty());
    let left = imported.left_out.into_iter();
    left.map(|left| left.error.to_string()).collect()
}

#[test]
fn what_was_changed_is_named_with_all_above_it() {
    let whole = tempfile::tempdir().unwrap();
    let Chain { root, rrefs } = chain(whole.path(), &[("x", "1"), ("d/y", "2"), ("_z", "3")]);
    assert_eq!(left_out(&root), [""; 0]);
    type Change = fn(&Path);
    let changes: [(&str, Change); 7] = [
        ("its files do not have the hash in its name", |it| {
            fs::remove_file(it.join("x")).unwrap();
            fs::write(it.join("x"), "other").unwrap();
        }),
        (
            "has a context.json that is not written as the package does",
            |it| {
                fs::remove_file(it.join("context.json")).unwrap();
                fs::write(it.join("context.json"), "{\n}").unwrap();
            },
        ),
        ("cannot read", |it| {
            fs::remove_file(it.join("context.json")).unwrap();
        }),
        ("has a name that is not UTF-8", |it| {
            let name = OsString::from_vec(vec![b'_', 0xff]);
            fs::write(it.join(name), "").unwrap();
        }),
        ("is a link that leads out of its artifacts", |it| {
            symlink("/etc", it.join("link")).unwrap();
        }),
        ("is a named pipe", |it| {
            let made = Command::new("mkfifo").arg(it.join("pipe")).status();
            assert!(made.unwrap().success());
        }),
        ("cannot follow the link", |it| {
            symlink("nowhere", it.join("_link")).unwrap();
        }),
    ];
    for (why, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("python");
        copy_all(&root, &copy);
        let second = store_folder(&copy, &rrefs[1]);
        open_up(&second);
        change(&second);
        let left = left_out(&copy);
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left[0].contains(why), "{left:?}");
        assert!(left[1].contains(&format!("it was made from {}, which is left out", rrefs[1])));
    }

    // A removed dependency, and a config of other bytes.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("python");
    copy_all(&root, &copy);
    open_up(&store_folder(&copy, &rrefs[0]));
    fs::remove_dir_all(store_folder(&copy, &rrefs[0])).unwrap();
    let left = left_out(&copy);
    assert!(left[0].contains("which is not in that store"), "{left:?}");
    let config = store_folder(&copy, &rrefs[2]).with_file_name("config.json");
    fs::remove_file(&config).unwrap();
    fs::write(&config, "{}").unwrap();
    let left = left_out(&copy).join("\n");
    assert!(
        left.contains("its config.json does not have the hash in its name"),
        "{left}"
    );

    // What the package passes over is passed over.
    let copy = folder.path().join("odd");
    copy_all(&root, &copy);
    let objects = copy.join("store-v0");
    fs::create_dir(objects.join("other")).unwrap();
    fs::create_dir(objects.join(format!("{}.tmp", rrefs[0].dref().folder()))).unwrap();
    fs::write(objects.join("notes.txt"), "").unwrap();
    fs::create_dir(store_folder(&copy, &rrefs[0]).with_extension("tmp")).unwrap();
    assert_eq!(left_out(&copy), [""; 0]);
}

#[test]
fn what_cannot_be_checked_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The order in which a file system listed these is one of 12!.
    let files: Vec<String> = (10..22).map(|number| format!("{number}/x")).collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|path| (path.as_str(), path.as_str()))
        .collect();
    let Chain { root, rrefs } = chain(folder.path(), &files);
    // As if it had been listed in another order than the sorted one.
    let unknown = RRefId::new([7; 16], rrefs[2].dref().clone());
    fs::rename(
        store_folder(&root, &rrefs[2]),
        store_folder(&root, &unknown),
    )
    .unwrap();

    let from = PythonStore::open(&root).unwrap();
    let store = scratch(&at("store"));
    let imported = Import::new(&store).run(&from).unwrap();
    assert_eq!(imported.left_out.len(), 1);
    let error = &imported.left_out[0].error;
    assert!(
        error.to_string().contains("its hash cannot be checked"),
        "{error}"
    );
    assert_eq!(error.help(), Some("`trust_unchecked()` takes it as it is"));

    let trusting = Import::new(&store).trust_unchecked().run(&from).unwrap();
    assert!(trusting.left_out.is_empty());
    let one = trusting
        .realizations
        .iter()
        .find(|one| one.python == unknown)
        .unwrap();
    assert!(one.is_new && !one.is_checked);
    // It goes back under its name.
    let exported = store.export_python([&one.rref], at("back")).unwrap();
    assert!(
        exported
            .realizations
            .iter()
            .any(|one| one.python == unknown)
    );
}

#[test]
fn what_has_no_form_in_python_is_named_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = scratch(&at("store"));
    let top = config("top");
    let mut all = Vec::new();
    for (name, path) in [
        ("c1", "context.json"),
        ("g", "group.json"),
        ("s", "__buildstart__.txt"),
        ("e", "either_status.txt"),
    ] {
        all.push(publish_texts(
            &store,
            &config(name),
            &Context::empty(),
            &[(path, "x")],
        ));
    }
    let fine = publish_texts(
        &store,
        &config("fine"),
        &Context::empty(),
        &[("d/context.json", "x")],
    );
    // Two results with one name there, and what was made from the second.
    let one = publish_texts(&store, &top, &Context::empty(), &[("x", "1"), ("_n", "1")]);
    let two = publish_texts(&store, &top, &Context::empty(), &[("x", "1"), ("_n", "2")]);
    let on =
        ConfigJson::from_json(&format!("{{\"name\": \"on\", \"top\": \"{}\"}}", top.id())).unwrap();
    let both = [one.clone(), two.clone()];
    let above: Vec<RRefId> = (both.iter())
        .map(|rref| publish_texts(&store, &on, &[rref.clone()].into_iter().collect(), &[]))
        .collect();
    let many = publish_texts(&store, &on, &both.iter().cloned().collect(), &[("m", "")]);
    all.extend([fine, one, two, many]);
    all.extend(above);

    let planned = Export::new(&store).plan(&all, at("python")).unwrap();
    assert!(!at("python").exists());
    let exported = store.export_python(&all, at("python")).unwrap();
    assert_eq!(exported.realizations, planned.realizations);
    let whys: Vec<String> = (exported.left_out.iter())
        .map(|left| left.error.to_string())
        .collect();
    assert_eq!(whys.len(), 7, "{whys:?}");
    let count = |why: &str| whys.iter().filter(|text| text.contains(why)).count();
    assert_eq!(count("has a name that the package keeps for itself"), 4);
    assert_eq!(count("Python has one name for it and for"), 1);
    assert_eq!(count("which is left out"), 2);
    assert_eq!(exported.realizations.len(), 3);
    if let Some(python) = Python::shared() {
        let listed = python.run(["list", &at("python").display().to_string()]);
        assert_eq!(texts(&listed["rrefs"]).len(), 3);
    }

    // The same again is there; and one that Python's hash does not tell from another is not mixed up with it.
    let again = store.export_python(&all, at("python")).unwrap();
    assert!(again.realizations.iter().all(|one| !one.is_new));
    let swapped = tempfile::tempdir().unwrap();
    let other = scratch(&swapped.path().join("store"));
    let other_two = publish_texts(&other, &top, &Context::empty(), &[("x", "1"), ("_n", "3")]);
    let refused = other.export_python([&other_two], at("python")).unwrap();
    let why = refused.left_out[0].error.to_string();
    assert!(
        why.contains("another result has its name there already"),
        "{why}"
    );

    // A folder that holds other things stays as it is.
    fs::create_dir(at("thesis")).unwrap();
    fs::write(at("thesis/thesis.tex"), "").unwrap();
    for (place, what) in [(at("thesis"), "thesis.tex"), (at("store"), "format.json")] {
        let before = tree(&place);
        let refused = store.export_python(&all, &place).unwrap_err();
        assert!(
            refused.to_string().contains(&format!("it holds {what:?}")),
            "{refused}"
        );
        assert!(tree(&place) == before);
    }
}

#[test]
fn a_failure_and_times_of_here_are_known_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = scratch(&at("store"));
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("failure.txt"), "it did not work").unwrap();
    let mut build = BuildRecord::now(BuildKind::Build);
    build.start = "2026-02-03T04:05:06.123456789Z".parse().unwrap();
    build.stop = "2026-02-03T04:05:07Z".parse().unwrap();
    let failed = draft.publish(&config("flaky"), &Context::empty(), Outcome::Failed, &build);
    let failed = failed.unwrap().id;
    let exported = store.export_python([&failed], at("python")).unwrap();
    let place = store_folder(&at("python"), &exported.realizations[0].python);
    let text = |name: &str| fs::read_to_string(place.join(name)).unwrap();
    assert_eq!(text("either_status.txt"), "it did not work");
    assert_eq!(text("__buildstart__.txt"), "260203-04:05:06:123456+0000");
    assert_eq!(text("__buildstop__.txt"), "260203-04:05:07:000000+0000");
    assert!(!place.join("failure.txt").exists());
    // And back: it is the same, with no further build.
    let back = store.import_python(at("python")).unwrap();
    assert_eq!(back.realizations[0].rref, failed);
    let kinds: Vec<BuildKind> = (store.realization(&failed).unwrap().builds().iter())
        .map(|build| build.kind)
        .collect();
    assert_eq!(kinds, [BuildKind::Build, BuildKind::Import]);
    // A folder that a killed export left is made anew.
    let left = place.with_file_name(format!("{}.tmp", exported.realizations[0].python.folder()));
    open_up(&place);
    fs::remove_dir_all(&place).unwrap();
    fs::create_dir(&left).unwrap();
    store.export_python([&failed], at("python")).unwrap();
    assert!(!left.exists());
    assert_eq!(text("either_status.txt"), "it did not work");
}

#[test]
fn arrays_are_written_as_numpy_writes_them() {
    let Some(python) = Python::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let numpy = folder.path().join("numpy");
    fs::create_dir(&numpy).unwrap();
    let made = texts(&python.run(["arrays", &numpy.display().to_string()]));
    let ours = folder.path().join("ours");
    fs::create_dir(&ours).unwrap();
    let at = |name: &str| ours.join(name);
    <Npy<f64, ndarray::Ix1> as Format>::write(&array![1.5, -2.0, 3.25], &at("vector.npy")).unwrap();
    <Npy<f64, ndarray::Ix0> as Format>::write(&Array0::from_elem((), 2.5), &at("point.npy"))
        .unwrap();
    let table = array![[0, 1, 2], [3, 4, 5]];
    <Npy<i32, ndarray::Ix2> as Format>::write(&table, &at("table.npy")).unwrap();
    <Npy<u8, ndarray::Ix1> as Format>::write(&array![1, 2, 255], &at("bytes.npy")).unwrap();
    <Npy<f64, ndarray::Ix1> as Format>::write(&Array1::zeros(0), &at("none.npy")).unwrap();
    for axes in 12..18 {
        let zeros = ArrayD::<f64>::zeros(IxDyn(&vec![1; axes]));
        <Npy<f64> as Format>::write(&zeros, &at(&format!("axes{axes}.npy"))).unwrap();
    }
    assert_eq!(made.len(), 11);
    for name in made {
        let (ours, theirs) = (
            fs::read(at(&name)).unwrap(),
            fs::read(numpy.join(&name)).unwrap(),
        );
        assert!(
            ours == theirs,
            "{name}: {:?} {:?}",
            &ours[..128],
            &theirs[..128]
        );
    }
}

#[test]
fn named_arrays_are_those_of_numpy_both_ways() {
    let Some(python) = Python::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let ours: BTreeMap<String, AnyArray> = [
        ("loss".to_owned(), array![[1.5, -2.0], [3.25, 0.0]].into()),
        ("a name".to_owned(), array![true, false].into()),
        ("none".to_owned(), Array1::<u16>::zeros(0).into()),
    ]
    .into();
    Npz::write(&ours, &at("ours.npz")).unwrap();
    NpzCompressed::write(&ours, &at("small.npz")).unwrap();
    let found = python.run(["named-arrays", &folder.path().display().to_string()]);
    let same = serde_json::json!({
        "a name": ["bool", [true, false]],
        "loss": ["float64", [[1.5, -2.0], [3.25, 0.0]]],
        "none": ["uint16", []],
    });
    assert_eq!(
        found,
        serde_json::json!({"ours.npz": same, "small.npz": same})
    );
    for name in ["stored.npz", "deflated.npz"] {
        let mut made = Npz::read(&at(name)).unwrap();
        let mut take = |name: &str| made.remove(name).unwrap();
        let weights: Array2<f32> = take("weights").try_into().unwrap();
        assert_eq!(weights, array![[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]);
        assert_eq!(take("mask"), array![true, false].into());
        assert_eq!(take("step"), Array0::from_elem((), 7_i64).into());
    }
    let error = Npz::read(&at("other.npz")).unwrap_err().to_string();
    assert!(error.starts_with("array `text`: "), "{error}");
}
