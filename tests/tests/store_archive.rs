//! Archives: unpacking restores exactly what was packed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use pylightnix::ErrorKind;
use pylightnix::config::{ConfigJson, Digest, RRefId};
use pylightnix::store::{
    BuildKind, BuildRecord, Context, Durability, Entry, EntryKind, Manifest, Outcome, Pack, Record,
    Store, Unpack,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::store::{
    Mount, built, by_older_rules, can_mount, config, config_on, folder, objects, publish_texts,
    snapshot, store,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Creates a store with a chain of three, the middle one with many kinds of entries, and its archive.
fn packed() -> (TempDir, Store, Vec<RRefId>, PathBuf) {
    let (folder, store) = store();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let c = config_on("c", &b);
    let a = publish_texts(&store, &a, &Context::empty(), &[("x", "1")]);
    publish_texts(
        &store,
        &config("unrelated"),
        &Context::empty(),
        &[("x", "1")],
    );

    let mut draft = store.plumbing().draft().unwrap();
    let out = draft.out().to_owned();
    fs::create_dir_all(out.join("d/none")).unwrap();
    fs::write(out.join("d/zeros"), vec![0; 300_000]).unwrap();
    let noise: Vec<u8> = (0..500_u32)
        .flat_map(|number| Digest::of(&number.to_le_bytes()).0)
        .collect();
    fs::write(out.join("noise"), noise).unwrap();
    fs::write(out.join("ü \"quoted\""), "").unwrap();
    fs::write(out.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(out.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../noise", out.join("d/link")).unwrap();
    symlink("link", out.join("d/again")).unwrap();
    fs::write(draft.log(), "a line\n").unwrap();
    let context = Context::from_iter([a.clone()]);
    let b = draft
        .publish(&b, &context, Outcome::Ok, &built())
        .unwrap()
        .id;
    let c = publish_texts(&store, &c, &Context::from_iter([b.clone()]), &[("z", "3")]);
    let archive = folder.path().join("archive.zip");
    store.pack([&c], &archive).unwrap();
    (folder, store, vec![a, b, c], archive)
}

/// Returns the objects of these realizations.
fn objects_of(store: &Store, rrefs: &[RRefId]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = objects(store);
    found.retain(|path, _| {
        rrefs
            .iter()
            .any(|rref| path.starts_with(&rref.dref().folder()))
    });
    found
}

fn fresh() -> (TempDir, Store) {
    store()
}

#[test]
fn what_is_packed_comes_out_again() {
    let (folder, from, chain, archive) = packed();
    let (_other, to) = fresh();
    assert_eq!(to.unpack(&archive).unwrap(), chain);
    assert_eq!(objects(&to), objects_of(&from, &chain));
    for rref in &chain {
        assert_eq!(
            to.realization(rref).unwrap().builds(),
            from.realization(rref).unwrap().builds()
        );
    }
    let tmp = snapshot(&to.root().join("tmp"));
    assert_eq!(tmp.len(), 1, "only the lease's folder is left: {tmp:?}");

    // The bytes are the same, whichever of the realizations are requested, and from whichever store.
    let again = folder.path().join("again.zip");
    to.pack(chain.iter().rev(), &again).unwrap();
    assert_eq!(fs::read(&archive).unwrap(), fs::read(&again).unwrap());

    // Unpacking again changes nothing.
    let before = objects(&to);
    assert_eq!(to.unpack(&archive).unwrap(), chain);
    assert_eq!(objects(&to), before);
}

#[test]
fn other_programs_can_read_it() {
    let (_folder, store, chain, archive) = packed();
    let mut zip = ZipArchive::new(File::open(&archive).unwrap()).unwrap();
    let prefix = format!("{}/{}/out", chain[1].dref().folder(), chain[1].folder());
    let mut file = zip.by_name(&format!("{prefix}/run")).unwrap();
    assert_eq!(file.unix_mode(), Some(0o100_555));
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "#!/bin/sh\n");
    drop(file);
    assert!(zip.by_name(&format!("{prefix}/d/none/")).unwrap().is_dir());
    assert!(
        zip.by_name(&format!("{prefix}/d/link"))
            .unwrap()
            .is_symlink()
    );
    let zeros = zip.by_name(&format!("{prefix}/d/zeros")).unwrap();
    assert!(zeros.compressed_size() < 2_000);
    drop(zeros);
    let noise = zip.by_name(&format!("{prefix}/noise")).unwrap();
    assert_eq!(noise.compression(), CompressionMethod::Stored);
    drop(noise);
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    assert!(names.iter().all(|name| !name.contains("unrelated")));
    let log = names.iter().find(|name| name.ends_with(".log")).unwrap();
    assert!(store.root().join("store-v1").join(log).exists());
}

#[test]
fn build_records_are_united() {
    let (_folder, from, chain, archive) = packed();
    let (_other, to) = fresh();
    to.unpack(&archive).unwrap();
    let accept = BuildRecord::now(BuildKind::Accept);
    to.plumbing().add_build(&chain[0], &accept, None).unwrap();
    let more = built();
    from.plumbing()
        .add_build(&chain[0], &more, Some(b"said"))
        .unwrap();
    from.pack([&chain[0]], &archive).unwrap();
    assert_eq!(to.unpack(&archive).unwrap(), chain[..1]);
    let builds = to.realization(&chain[0]).unwrap().builds().to_vec();
    assert_eq!(builds.len(), 3);
    assert_eq!(builds[1..], [accept, more.clone()]);
    let log = to
        .realization_dir(&chain[0])
        .join(format!("build-{}.log", more.id));
    assert_eq!(fs::read(log).unwrap(), b"said");
}

#[test]
fn build_records_can_be_left_out() {
    let (_folder, from, chain, archive) = packed();
    let host = from.realization(&chain[0]).unwrap().builds()[0]
        .host
        .clone();
    let bytes = |path: &Path| fs::read(path).unwrap();
    let tells = |bytes: &[u8]| {
        bytes
            .windows(host.len())
            .any(|part| part == host.as_bytes())
    };
    assert!(tells(&bytes(&archive)));
    Pack::new(&from)
        .without_builds()
        .write(&chain[2..], &archive)
        .unwrap();
    assert!(!tells(&bytes(&archive)));
    let (_other, to) = fresh();
    assert_eq!(to.unpack(&archive).unwrap(), chain);
    assert!(to.realization(&chain[1]).unwrap().builds().is_empty());
}

#[test]
fn a_pack_that_fails_leaves_the_old_archive() {
    let (folder, store, chain, archive) = packed();
    let before = fs::read(&archive).unwrap();
    let refused = |rref: &RRefId, why: &str| {
        let error = store.pack([rref], &archive).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(fs::read(&archive).unwrap(), before);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 2, "{names:?}");
    };
    let absent = RRefId::new([0; 16], chain[0].dref().clone());
    refused(&absent, "is not in the store");
    let path = store.out_dir(&chain[0]).join("x");
    for damage in ["2", "11", ""] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, damage).unwrap();
        refused(&chain[2], "out/x does not match the record");
    }

    for (number, target) in ["/etc", "..", "d/../../x", "d/l/../../x"]
        .iter()
        .enumerate()
    {
        let config = config(&format!("link{number}"));
        let id = publish_texts(&store, &config, &Context::empty(), &[("d/x", "1")]);
        let id = by_older_rules(&store, &id, |out| {
            symlink("..", out.join("d/l")).unwrap();
            symlink(target, out.join("link")).unwrap();
        });
        refused(&id, "out/link is a link that leads out of its artifacts");
    }
    let error = store.pack([&chain[0]], "/").unwrap_err();
    assert!(error.to_string().contains("cannot be the name"), "{error}");
}

#[test]
fn packing_replaces_nothing_but_an_archive() {
    let (folder, store, chain, archive) = packed();
    let root = &chain[2];
    let table = folder.path().join("table.csv");
    fs::write(&table, "a,b\n1,2\n").unwrap();
    let zip = folder.path().join("other.zip");
    fs::write(
        &zip,
        b"PK\x03\x04 an archive of something else, with a header that goes on",
    )
    .unwrap();
    for (there, what) in [
        (&table, "is not an archive of realizations"),
        (&zip, "is not an archive of realizations"),
        (&folder.path().to_owned(), "is not a regular file"),
    ] {
        let error = store.pack([root], there).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(fs::read(&table).unwrap(), b"a,b\n1,2\n");

    // An archive is replaced, and a link to an archive stays a link.
    let link = folder.path().join("link.zip");
    symlink(&archive, &link).unwrap();
    let before = fs::read(&archive).unwrap();
    fs::write(&archive, "").unwrap();
    store.pack([root], &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&archive).unwrap(), before);
    store.pack([root], &archive).unwrap();
    assert_eq!(fs::read(&archive).unwrap(), before);

    // The target of a link is written, even if it does not exist yet.
    let (far, near) = (
        folder.path().join("far.zip"),
        folder.path().join("near.zip"),
    );
    symlink("middle.zip", &near).unwrap();
    symlink("far.zip", folder.path().join("middle.zip")).unwrap();
    store.pack([root], &near).unwrap();
    assert!(fs::symlink_metadata(&near).unwrap().is_symlink());
    assert_eq!(fs::read(&far).unwrap(), before);

    // A pipe is written to, and stays a pipe.
    let pipe = folder.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(status.unwrap().success());
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&pipe).unwrap());
        store.pack([root], &pipe).unwrap();
        reader.join().unwrap()
    });
    assert_eq!(read, before);
    assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
    let mut streamed = Vec::new();
    let bytes = Pack::new(&store)
        .write_to([root], &mut streamed)
        .unwrap()
        .bytes;
    assert_eq!((bytes, streamed), (before.len() as u64, before));
}

/// Returns incompressible bytes.
fn noise(length: usize) -> Vec<u8> {
    let blocks = 0..(length as u64).div_ceil(32);
    let mut noise: Vec<u8> = blocks
        .flat_map(|number| Digest::of(&number.to_le_bytes()).0)
        .collect();
    noise.truncate(length);
    noise
}

/// Returns compressible lines.
fn text(length: usize) -> Vec<u8> {
    let lines =
        (0_u64..).flat_map(|number| format!("line {} of many\n", number * number).into_bytes());
    lines.take(length).collect()
}

/// Around the size limits between the ways to pack files: in memory, in parts, with a second thread.
#[test]
fn large_artifacts_are_packed_as_small_ones_are() {
    const MIB: usize = 1 << 20;
    let (folder, from) = store();
    let from = from.with_durability(Durability::None);
    let mut draft = from.plumbing().draft().unwrap();
    for size in [MIB, MIB + 1, 2 * MIB, 9 * MIB + 7] {
        fs::write(draft.out().join(format!("noise-{size}")), noise(size)).unwrap();
        fs::write(draft.out().join(format!("text-{size}")), text(size)).unwrap();
    }
    for number in 0..600 {
        let path = draft.out().join(format!("small-{number}"));
        fs::write(path, text(number)).unwrap();
    }
    let rref = tests::store::publish(&mut draft, &config("large"))
        .unwrap()
        .id;
    let archive = folder.path().join("archive.zip");
    from.pack([&rref], &archive).unwrap();

    let out = from.out_dir(&rref);
    let mut zip = ZipArchive::new(File::open(&archive).unwrap()).unwrap();
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).unwrap();
        let name = entry.name().unwrap().into_owned();
        let Some((_, name)) = name.split_once("/out/") else {
            continue;
        };
        if name.is_empty() {
            continue;
        }
        let method = match name.starts_with("text") {
            true => CompressionMethod::Deflated,
            false => CompressionMethod::Stored,
        };
        assert!(
            name.starts_with("small") || entry.compression() == method,
            "{name}"
        );
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(bytes == fs::read(out.join(name)).unwrap(), "{name}");
    }
    let (_other, to) = fresh();
    let all = std::slice::from_ref(&rref);
    assert_eq!(to.unpack(&archive).unwrap(), all);
    assert_eq!(objects(&to), objects_of(&from, all));

    let before = fs::read(&archive).unwrap();
    for name in [
        "noise-1048577",
        "text-1048577",
        "text-2097152",
        "noise-9437191",
    ] {
        let path = out.join(name);
        let whole = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut changed = whole.clone();
        changed[MIB] ^= 1;
        let longer = [whole.as_slice(), b"1"].concat();
        for damage in [&changed, &longer, &whole[..MIB / 2].to_vec(), &vec![]] {
            fs::write(&path, damage).unwrap();
            let error = from.pack([&rref], &archive).unwrap_err().to_string();
            assert!(error.contains("does not match the record"), "{error}");
            assert!(error.contains(name), "{error}");
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(fs::read(&archive).unwrap() == before);
}

/// Asserts that unpacking is refused, that the store is unchanged, and that the report contains `why`.
fn refused(archive: &Path, why: &str) {
    let (_folder, store) = fresh();
    refused_by(&store, archive, why);
}

fn refused_by(store: &Store, archive: &Path, why: &str) {
    let before = objects(store);
    let Err(error) = store.unpack(archive) else {
        panic!("{why}: it was taken");
    };
    assert_eq!(error.kind(), ErrorKind::Archive, "{error:?}");
    let report = format!("{error:?}");
    assert!(report.contains(why), "{why:?} is not in: {report}");
    assert!(
        report.contains("help: nothing of it was published"),
        "{report}"
    );
    assert_eq!(objects(store), before);
    assert!(snapshot(&store.root().join("tmp")).len() <= 1);
}

#[test]
fn what_is_cut_short_is_refused() {
    let (folder, _from, _chain, archive) = packed();
    let bytes = fs::read(&archive).unwrap();
    let cut = folder.path().join("cut.zip");
    let (_other, store) = fresh();
    for length in (0..bytes.len())
        .step_by(97)
        .chain(bytes.len() - 30..bytes.len())
    {
        fs::write(&cut, &bytes[..length]).unwrap();
        refused_by(&store, &cut, "is refused");
    }
}

#[test]
fn what_is_added_around_it_is_refused() {
    let (folder, _from, _chain, archive) = packed();
    let bytes = fs::read(&archive).unwrap();
    let other = folder.path().join("other.zip");
    for more in [&b"x"[..], &[0; 22], &bytes] {
        fs::write(&other, [&bytes, more].concat()).unwrap();
        refused(&other, "is refused");
        fs::write(&other, [more, &bytes].concat()).unwrap();
        refused(&other, "is refused");
    }
    fs::write(&other, "").unwrap();
    refused(&other, "it has no end record");
    refused(folder.path(), "it is not a regular file");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // Without waiting for a writer.
    refused(&pipe, "it is not a regular file");
}

#[test]
fn any_changed_byte_is_refused() {
    let (folder, store) = store();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let a = publish_texts(&store, &a, &Context::empty(), &[("x", "1"), ("d/y", "")]);
    let long = "long ".repeat(100);
    let context = Context::from_iter([a]);
    let b = publish_texts(&store, &b, &context, &[("long", &long)]);
    let archive = folder.path().join("archive.zip");
    store.pack([b], &archive).unwrap();
    let bytes = fs::read(&archive).unwrap();
    let (_other, fresh) = fresh();
    let fresh = fresh.with_durability(Durability::None);
    let mut taken = Vec::new();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&archive, changed).unwrap();
        if let Err(error) = fresh.unpack(&archive) {
            assert_eq!(error.kind(), ErrorKind::Archive, "{at}: {error:?}");
            assert!(objects(&fresh).is_empty(), "{at}");
        } else {
            taken.push(at);
            assert_eq!(objects(&fresh), objects(&store));
            let objects = fresh.root().join("store-v1");
            fs::remove_dir_all(&objects).unwrap();
            fs::create_dir(&objects).unwrap();
        }
    }
    // The bits after the end of a deflated stream are insignificant.
    assert!(taken.len() <= 3, "{taken:?}");
}

/// Archives made by hand.
struct Crafted {
    entries: Vec<(String, Vec<u8>, SimpleFileOptions)>,
}

fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(mode)
}

impl Crafted {
    fn new() -> Self {
        Crafted {
            entries: Vec::new(),
        }
    }

    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.entries
            .push((name.into(), bytes.into(), options(0o444)));
    }

    /// Adds the correct config, record and entries of a realization.
    fn realization(
        &mut self,
        config: &ConfigJson,
        context: Context,
        entries: &[(&str, EntryKind, &str)],
    ) -> RRefId {
        let manifest = entries
            .iter()
            .map(|(path, kind, _)| Entry::new((*path).to_owned(), kind.clone()))
            .collect();
        let manifest = Manifest::new(manifest).unwrap();
        let record = Record::new(*config.digest(), context, Outcome::Ok, manifest).to_text();
        let hash = Digest::of(record.as_bytes()).half();
        let id = RRefId::new(hash, config.id().clone());
        let folder = config.id().folder();
        let name = format!("{folder}/config.json");
        if !self.entries.iter().any(|(other, _, _)| *other == name) {
            self.add(name, config.text());
        }
        let prefix = format!("{folder}/{}", id.folder());
        self.add(format!("{prefix}/record"), record);
        self.entries
            .push((format!("{prefix}/out/"), Vec::new(), options(0o555)));
        for (path, kind, bytes) in entries {
            let name = format!("{prefix}/out/{path}");
            match kind {
                EntryKind::Dir => self.entries.push((name + "/", Vec::new(), options(0o555))),
                EntryKind::Link { target } => {
                    self.entries
                        .push((name, target.as_bytes().to_vec(), options(0o120_777)));
                }
                EntryKind::File { executable, .. } => {
                    let mode = if *executable { 0o555 } else { 0o444 };
                    self.entries
                        .push((name, bytes.as_bytes().to_vec(), options(mode)));
                }
                other => unreachable!("{other:?} is made nowhere here"),
            }
        }
        id
    }

    fn bytes(&self) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes, options) in &self.entries {
            if name.ends_with('/') {
                zip.add_directory(name.as_str(), *options).unwrap();
            } else if let Some(name) = name.strip_prefix("link:") {
                let target = String::from_utf8(bytes.clone()).unwrap();
                zip.add_symlink(name, target, *options).unwrap();
            } else {
                zip.start_file(name.as_str(), *options).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    }

    fn write(&self) -> (TempDir, PathBuf) {
        let folder = folder();
        let path = folder.path().join("crafted.zip");
        fs::write(&path, self.bytes()).unwrap();
        (folder, path)
    }

    fn refused(&self, why: &str) {
        let (_folder, path) = self.write();
        refused(&path, why);
    }

    fn entry(&mut self, end: &str) -> &mut (String, Vec<u8>, SimpleFileOptions) {
        self.entries
            .iter_mut()
            .find(|(name, _, _)| name.ends_with(end))
            .unwrap()
    }
}

fn file(bytes: &str) -> EntryKind {
    EntryKind::File {
        digest: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
        executable: false,
    }
}

/// Returns a valid archive of one realization with `d/x`, to be changed.
fn good() -> (Crafted, RRefId) {
    let mut good = Crafted::new();
    let id = good.realization(
        &config("good"),
        Context::empty(),
        &[("d", EntryKind::Dir, ""), ("d/x", file("1"), "1")],
    );
    (good, id)
}

#[test]
fn archives_by_hand_are_taken_when_they_are_right() {
    let (good, id) = good();
    let (_folder, path) = good.write();
    let (_other, store) = fresh();
    assert_eq!(store.unpack(&path).unwrap(), std::slice::from_ref(&id));
    let text = fs::read_to_string(store.out_dir(&id).join("d/x")).unwrap();
    assert_eq!(text, "1");
}

#[test]
fn what_publishing_refuses_is_not_unpacked() {
    let text = r#"{"name": "good", "made": {"of": [["__self__", "d", "x"]]}}"#;
    let promising = ConfigJson::from_json(text).unwrap();
    let link = |target: &str| EntryKind::Link {
        target: target.to_owned(),
    };
    let folder = ("d", EntryKind::Dir, "");
    for (config, entries, why) in [
        (
            &promising,
            vec![folder.clone()],
            "out/d/x\" is promised by the config and missing",
        ),
        (
            &promising,
            vec![folder.clone(), ("d/x", link("y"), "")],
            "out/d/x\" is promised by the config and missing: it is a link to y, which does not exist",
        ),
        (
            &config("good"),
            vec![("l", link("nowhere"), "")],
            "out/l\" is a link to nowhere",
        ),
        (
            &config("good"),
            vec![("l", link("l"), "")],
            "out/l\" is a link to l",
        ),
        (
            &config("good"),
            vec![("x", file("1"), "1"), ("l", link("x/y"), "")],
            "out/l\" is a link to x/y",
        ),
    ] {
        let mut crafted = Crafted::new();
        crafted.realization(config, Context::empty(), &entries);
        crafted.refused(why);
    }
    let mut kept = Crafted::new();
    let entries = [folder, ("d/x", file("1"), "1")];
    kept.realization(&promising, Context::empty(), &entries);
    let (_folder, path) = kept.write();
    let (_other, store) = fresh();
    store.unpack(&path).unwrap();
}

/// Tests the valid archive with a change.
fn spoilt(spoil: impl FnOnce(&mut Crafted, &RRefId), why: &str) {
    let (mut crafted, id) = good();
    spoil(&mut crafted, &id);
    crafted.refused(why);
}

#[test]
fn entries_that_no_record_calls_for() {
    let why = "is not named in any record";
    let prefix = |id: &RRefId| format!("{}/{}", id.dref().folder(), id.folder());
    for name in [
        "more",
        "../more",
        "/etc/more",
        "format.json",
        "C:\\more",
        "good/config.json",
    ] {
        spoilt(|crafted, _| crafted.add(name, ""), why);
    }
    for name in [
        "out/more",
        "out/d/../x",
        "out/d//x",
        "out/../../../more",
        "more",
        "record/x",
        "build-1.json",
        "build-01890A5D-AC96-774B-BCCE-B302099A8057.json",
    ] {
        spoilt(
            |crafted, id| crafted.add(format!("{}/{name}", prefix(id)), ""),
            why,
        );
    }
    spoilt(
        |crafted, id| {
            let other = RRefId::new([1; 16], id.dref().clone());
            crafted.add(format!("{}/out/x", prefix(&other)), "");
        },
        why,
    );
    spoilt(
        |crafted, _| {
            crafted.add(
                format!("{}/config.json", config("b").id().folder()),
                config("b").text(),
            )
        },
        "belongs to no realization",
    );
    spoilt(
        |crafted, id| {
            let name = format!("{}/build-01890a5d-ac96-774b-bcce-b302099a8057", prefix(id));
            crafted.add(name.clone() + ".log", "");
        },
        "is a log without a build record",
    );
    spoilt(
        |crafted, id| {
            let name = format!("{}/build-01890a5d-ac96-774b-bcce-b302099a8057", prefix(id));
            crafted.add(name.clone() + ".json", "{}");
        },
        "is not a known kind of build record",
    );
}

#[test]
fn entries_that_are_missing_or_not_what_they_should_be() {
    let remove = |end: &'static str| {
        move |crafted: &mut Crafted, _: &RRefId| {
            crafted.entries.retain(|(name, _, _)| !name.ends_with(end));
        }
    };
    spoilt(remove("out/d/x"), "out/d/x\" is missing");
    spoilt(remove("out/d/"), "out/d/\" is missing");
    spoilt(remove("out/"), "out/\" is missing");
    spoilt(remove("config.json"), "comes without the config");
    spoilt(remove("record"), "is not named in any record");
    let change = |end: &'static str, bytes: &'static str| {
        move |crafted: &mut Crafted, _: &RRefId| crafted.entry(end).1 = bytes.into()
    };
    spoilt(
        change("d/x", "2"),
        "d/x\" does not match the hash in its record",
    );
    spoilt(
        change("d/x", "11"),
        "d/x\" has 2 bytes, and its record says 1",
    );
    spoilt(change("config.json", "{}"), "config.json\"");
    spoilt(
        change("record", "?"),
        "record\" does not match the hash in its name",
    );
    let mode = |end: &'static str, mode: u32| {
        move |crafted: &mut Crafted, _: &RRefId| crafted.entry(end).2 = options(mode)
    };
    spoilt(mode("d/x", 0o555), "has the mode 100555 instead of 100444");
    spoilt(mode("record", 0o666), "has the mode");
    spoilt(mode("out/d/", 0o755), "has the mode");
    spoilt(
        |crafted, _| {
            let entry = crafted.entry("record");
            entry.2 = entry.2.compression_method(CompressionMethod::Deflated);
        },
        "record\" is deflated, and may only be stored",
    );
    spoilt(
        |crafted, _| {
            let entry = crafted.entry("d/x");
            entry.2 = entry
                .2
                .last_modified_time(DateTime::try_from_msdos(0x5555, 0).unwrap());
        },
        "d/x\" has an unexpected time",
    );
    // A file in place of the folder, and a link in place of the file.
    spoilt(
        |crafted, _| {
            let entry = crafted.entry("out/d/");
            entry.0.pop();
        },
        "out/d/\" is missing",
    );
    spoilt(
        |crafted, _| {
            let entry = crafted.entry("d/x");
            entry.0 = format!("link:{}", entry.0);
        },
        "has the mode 120444 instead of 100444",
    );
}

#[test]
fn records_that_do_not_fit() {
    // A dependency that is not in the archive.
    let mut crafted = Crafted::new();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let absent = RRefId::new([1; 16], a.id().clone());
    crafted.realization(&b, Context::from_iter([absent]), &[]);
    crafted.refused("without its dependency");
    // A dependency that the config does not name.
    let mut crafted = Crafted::new();
    let a = crafted.realization(&a, Context::empty(), &[]);
    crafted.realization(&config("other"), Context::from_iter([a]), &[]);
    crafted.refused("which its config does not name");
    // No dependency, although the config names one.
    let mut crafted = Crafted::new();
    crafted.realization(&config("a"), Context::empty(), &[]);
    crafted.realization(&b, Context::empty(), &[]);
    crafted.refused(&format!("names no realization of {}", config("a").id()));
    // Another config, whose reference has the same beginning.
    let mut crafted = Crafted::new();
    crafted.realization(&config("good"), Context::empty(), &[]);
    let text = String::from_utf8(crafted.entry("record").1.clone()).unwrap();
    let digest = config("good").digest().to_string();
    let other = format!("{}{}", &digest[..32], "0".repeat(32));
    let text = text.replace(&digest, &other);
    let id = RRefId::new(
        Digest::of(text.as_bytes()).half(),
        config("good").id().clone(),
    );
    let prefix = format!("{}/{}", id.dref().folder(), id.folder());
    crafted.entries.truncate(1);
    crafted.add(format!("{prefix}/record"), text);
    crafted.refused("is of another derivation");
    // Links that lead out of the folder.
    for target in ["/etc/passwd", "../record", "d/../../../..", "."] {
        let mut crafted = Crafted::new();
        let link = EntryKind::Link {
            target: target.to_owned(),
        };
        let entries = [("d", EntryKind::Dir, ""), ("d2", link, "")];
        crafted.realization(&config("link"), Context::empty(), &entries);
        if let Some(entry) = crafted
            .entries
            .iter_mut()
            .find(|(name, _, _)| name.ends_with("/d2"))
        {
            entry.0 = format!("link:{}", entry.0);
        }
        if target == "." {
            let (_folder, path) = crafted.write();
            fresh().1.unpack(&path).unwrap();
        } else {
            crafted.refused("is a link that leads out of its artifacts");
        }
    }
}

#[test]
fn structures_that_zip_readers_let_through() {
    let (crafted, _) = good();
    let bytes = crafted.bytes();
    let folder = folder();
    let path = folder.path().join("crafted.zip");
    let spoil = |spoil: &dyn Fn(&mut Vec<u8>), why: &str| {
        let mut bytes = bytes.clone();
        spoil(&mut bytes);
        fs::write(&path, bytes).unwrap();
        refused(&path, why);
    };
    // Two entries with one name: `d/x` is called `config.json` like the first.
    let mut twice = Crafted::new();
    let id = twice.realization(&config("good"), Context::empty(), &[("x", file("1"), "1")]);
    let name = format!("{}/{}/out/x", id.dref().folder(), id.folder());
    let other = format!("{}/{}/out/y", id.dref().folder(), id.folder());
    twice.add(other.clone(), "2");
    let mut doubled = twice.bytes();
    while let Some(at) = doubled
        .windows(other.len())
        .position(|part| part == other.as_bytes())
    {
        doubled[at..at + other.len()].copy_from_slice(name.as_bytes());
    }
    fs::write(&path, doubled).unwrap();
    refused(&path, "comes twice");

    let central = bytes
        .windows(4)
        .position(|part| part == [0x50, 0x4b, 1, 2])
        .unwrap();
    let end = bytes.len() - 22;
    // A local header with another name, method or size than the central directory.
    for at in [8, 18, 22, 30] {
        spoil(&|bytes| bytes[at] ^= 1, "two headers that differ");
    }
    // A comment at the end, and one for an entry.
    spoil(
        &|bytes| {
            bytes[end + 20] = 1;
            bytes.push(b'x');
        },
        "it has no end record",
    );
    spoil(&|bytes| bytes[central + 32] = 1, "has an unexpected header");
    // Bytes between the entries and the central directory.
    spoil(
        &|bytes| {
            bytes.insert(central, 0);
            let start = u32::try_from(central + 1).unwrap();
            bytes[end + 1 + 16..end + 1 + 20].copy_from_slice(&start.to_le_bytes());
        },
        "data between its entries and its central directory",
    );
    // An entry that is not in the central directory.
    spoil(
        &|bytes| {
            let count = bytes[end + 8] - 1;
            bytes[end + 8] = count;
            bytes[end + 10] = count;
        },
        "its central directory does not have the stated length",
    );
    // Encrypted, or with a data descriptor.
    for flag in [1, 8] {
        spoil(
            &|bytes| {
                bytes[6] |= flag;
                bytes[central + 8] |= flag;
            },
            "uses an unknown feature of zip files",
        );
    }
}

#[test]
fn deflated_streams_that_say_something_else() {
    let zeros = "\0".repeat(1 << 20);
    let craft = |size: usize| {
        let mut crafted = Crafted::new();
        let said = "\0".repeat(size);
        crafted.realization(
            &config("bomb"),
            Context::empty(),
            &[("x", file(&said), &zeros)],
        );
        let entry = crafted.entry("out/x");
        entry.2 = entry.2.compression_method(CompressionMethod::Deflated);
        crafted
    };
    let (_folder, path) = craft(1 << 20).write();
    fresh().1.unpack(&path).unwrap();
    craft(10).refused("has 1048576 bytes, and its record says 10");
    // The same with headers that match the record.
    let mut bytes = craft(10).bytes();
    let real = (1_u32 << 20).to_le_bytes();
    let mut changed = 0;
    while let Some(at) = bytes.windows(4).position(|part| part == real) {
        bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        changed += 1;
    }
    assert_eq!(changed, 2);
    let folder = folder();
    let path = folder.path().join("bomb.zip");
    fs::write(&path, bytes).unwrap();
    refused(&path, "out/x\" is longer than its header says");
}

#[test]
fn a_broken_store_is_not_mended_by_accident() {
    let (_folder, from, chain, archive) = packed();
    fs::write(from.realization_dir(&chain[0]).join("record"), "?").unwrap();
    let before = objects(&from);
    let error = from.unpack(&archive).unwrap_err();
    assert!(error.to_string().contains("is broken"), "{error}");
    assert_eq!(objects(&from), before);
}

#[test]
fn more_entries_than_sixteen_bits_can_count() {
    let mut crafted = Crafted::new();
    let names: Vec<String> = (0..66_000).map(|number| number.to_string()).collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), file(""), ""))
        .collect();
    let id = crafted.realization(&config("many"), Context::empty(), &entries);
    let (_folder, path) = crafted.write();
    let (_other, store) = fresh();
    let store = store.with_durability(Durability::None);
    assert_eq!(store.unpack(&path).unwrap(), [id]);
}

/// Publishes a realization of a file with 64 MiB of holes.
fn hollow(store: &Store) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    let file = File::create(draft.out().join("hollow")).unwrap();
    file.set_len(64 << 20).unwrap();
    drop(file);
    fs::write(draft.log(), "the same line\n".repeat(50_000)).unwrap();
    let context = Context::empty();
    let published = draft.publish(&config("hollow"), &context, Outcome::Ok, &built());
    published.unwrap().id
}

#[test]
fn more_than_there_is_room_for_is_refused_before_anything_is_written() {
    if !can_mount("more_than_there_is_room_for_is_refused_before_anything_is_written") {
        return;
    }
    let (folder, from) = store();
    let rref = hollow(&from);
    let archive = folder.path().join("archive.zip");
    from.pack([&rref], &archive).unwrap();
    let disk = TempDir::new().unwrap();
    let mount = Mount::new(disk.path(), "size=24m");
    let to = Store::open(mount.at.join("store")).unwrap();
    refused_by(&to, &archive, "are free on the disk");
    let error = Unpack::new(&to)
        .max_size(1 << 20)
        .read(&archive)
        .unwrap_err();
    assert!(
        format!("{error:?}").contains(", and 1 MiB are allowed"),
        "{error:?}"
    );
    // With an explicit size limit, free space is not checked, because holes take no space.
    let found = Unpack::new(&to).max_size(100 << 20).read(&archive).unwrap();
    assert_eq!(found, std::slice::from_ref(&rref));
    let file = fs::metadata(to.out_dir(&rref).join("hollow")).unwrap();
    assert_eq!(file.len(), 64 << 20);
    assert!(file.blocks() * 512 < 1 << 20, "{}", file.blocks());
}

#[test]
fn logs_are_deflated() {
    let (folder, from) = store();
    let rref = hollow(&from);
    let archive = folder.path().join("archive.zip");
    from.pack([&rref], &archive).unwrap();
    assert!(fs::metadata(&archive).unwrap().len() < 200_000);
    let (_other, to) = fresh();
    to.unpack(&archive).unwrap();
    let log = |store: &Store| {
        let realization = store.realization(&rref).unwrap();
        let log = store.log_of(&rref, &realization.builds()[0]).unwrap();
        fs::read(log).unwrap()
    };
    assert!(log(&to) == log(&from));
}
