//! Hostile archives, each invalid in one way: all are refused, the error names the entry and the fault, and the store is
//! unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use pylightnix::ErrorKind;
use pylightnix::config::{ConfigJson, Digest, RRefId};
use pylightnix::store::{Context, Durability, Entry, EntryKind, Manifest, Outcome, Record, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::OnceLock;
use tests::crafted::{Header, Item, Zip};
use tests::store::{built, config, config_on, folder, publish_texts, snapshot, store};

/// A valid archive of two realizations, as `pack` writes it.
#[derive(Clone)]
struct Good {
    bytes: Vec<u8>,
    zip: Zip,
    /// A realization with many kinds of entries.
    a: RRefId,
    /// A realization made from `a`.
    b: RRefId,
}

impl Good {
    /// Returns the path prefix of the entries of `a`.
    fn prefix(&self) -> String {
        prefix(&self.a)
    }
}

fn prefix(id: &RRefId) -> String {
    format!("{}/{}", id.dref().folder(), id.folder())
}

fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let (folder, store) = store();
        let mut draft = store.plumbing().draft().unwrap();
        let out = draft.out().to_owned();
        fs::create_dir(out.join("d")).unwrap();
        fs::write(out.join("d/x"), "one").unwrap();
        fs::write(out.join("zeros"), vec![0; 50_000]).unwrap();
        fs::write(out.join("ü"), "2").unwrap();
        fs::write(out.join("run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(out.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../run", out.join("d/link")).unwrap();
        fs::write(draft.log(), "a line\n").unwrap();
        let a = config("a");
        let b = config_on("b", &a);
        let a = draft
            .publish(&a, &Context::empty(), Outcome::Ok, &built())
            .unwrap()
            .id;
        let context = Context::from_iter([a.clone()]);
        let b = publish_texts(&store, &b, &context, &[("y", "3")]);
        let archive = folder.path().join("good.zip");
        store.pack([&b], &archive).unwrap();
        let bytes = fs::read(archive).unwrap();
        let zip = Zip::parse(&bytes).unwrap();
        Good { bytes, zip, a, b }
    })
}

/// A store to attack: empty, or with other realizations, or with those of the valid archive.
struct Target {
    _folder: tempfile::TempDir,
    store: Store,
    before: BTreeMap<String, (u32, Vec<u8>)>,
}

impl Target {
    fn new(fill: impl FnOnce(&Store)) -> Self {
        let (folder, store) = store();
        let store = store.with_durability(Durability::None);
        fill(&store);
        // Large, and read after each archive.
        fs::remove_file(store.root().join("reserved")).unwrap();
        // From here on, this process has a lease.
        drop(store.plumbing().draft().unwrap());
        let before = all(folder.path());
        Target {
            _folder: folder,
            store,
            before,
        }
    }

    fn three() -> [Target; 3] {
        let with_good = |store: &Store| {
            let folder = folder();
            let path = folder.path().join("good.zip");
            fs::write(&path, &good().bytes).unwrap();
            store.unpack(path).unwrap();
        };
        let with_other = |store: &Store| {
            publish_texts(store, &config("other"), &Context::empty(), &[("x", "1")]);
        };
        [
            Target::new(|_| ()),
            Target::new(with_other),
            Target::new(with_good),
        ]
    }

    /// Asserts that the archive is refused for these reasons, and that everything is unchanged.
    fn refuses(&self, case: &str, archive: &[u8], why: &[&str]) {
        let folder = folder();
        let path = folder.path().join("hostile.zip");
        fs::write(&path, archive).unwrap();
        let error = match self.store.unpack(&path) {
            Err(error) => error,
            Ok(taken) => panic!("{case}: it was taken, {taken:?}"),
        };
        assert_eq!(error.kind(), ErrorKind::Archive, "{case}: {error:?}");
        let report = format!("{error:?}");
        for why in why {
            assert!(report.contains(why), "{case}: {why:?} is not in: {report}");
        }
        assert!(
            report.contains("help: nothing of it was published"),
            "{report}"
        );
        let after = all(self._folder.path());
        let changed: Vec<&String> = (after
            .iter()
            .filter(|one| self.before.get(one.0) != Some(one.1)))
        .map(|(path, _)| path)
        .collect();
        assert!(
            changed.is_empty(),
            "{case}: {changed:?} are new or other than before"
        );
        assert_eq!(after.len(), self.before.len(), "{case}: something is gone");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{case}");
    }
}

/// Returns the store and its neighbours, without the content of leases, which name what this process looked up.
fn all(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = snapshot(root);
    for (path, (_, bytes)) in &mut found {
        if path.starts_with("store/leases/") {
            bytes.clear();
        }
    }
    found
}

/// All cases of one kind, against all targets.
struct Cases {
    targets: [Target; 3],
    names: BTreeSet<String>,
}

impl Cases {
    fn new() -> Self {
        Cases {
            targets: Target::three(),
            names: BTreeSet::new(),
        }
    }

    /// Asserts that each target refuses the archive for these reasons.
    fn bytes(&mut self, case: &str, archive: &[u8], why: &[&str]) {
        assert!(self.names.insert(case.to_owned()), "{case} comes twice");
        for target in &self.targets {
            target.refuses(case, archive, why);
        }
    }

    /// Tests the valid archive with a change.
    fn spoil(&mut self, case: &str, spoil: impl FnOnce(&mut Zip), why: &[&str]) {
        let mut zip = good().zip.clone();
        spoil(&mut zip);
        let bytes = zip.bytes();
        assert_ne!(bytes, good().bytes, "{case} changes nothing");
        self.bytes(case, &bytes, why);
    }

    /// Tests the valid archive with another record of `a`, and with all names and references updated.
    fn record(&mut self, case: &str, change: impl FnOnce(&str) -> Vec<u8>, why: &[&str]) {
        let spoil = |zip: &mut Zip| change_record(zip, &good().a, change);
        self.spoil(
            case,
            spoil,
            &[&["/record\" is not the record of a realization"], why].concat(),
        );
    }

    /// Asserts the minimum number of cases.
    fn at_least(&self, count: usize) {
        let found = self.names.len();
        println!(
            "{found} archives, each against {} stores",
            self.targets.len()
        );
        assert!(found >= count, "only {found}");
    }
}

fn change_record(zip: &mut Zip, id: &RRefId, change: impl FnOnce(&str) -> Vec<u8>) {
    let name = format!("{}/record", prefix(id));
    let at = zip
        .items
        .iter()
        .position(|item| item.name() == name)
        .unwrap();
    let text = String::from_utf8(zip.items[at].data.clone()).unwrap();
    zip.put_record(at, id, &change(&text));
}

/// Changes the entries of `a`, and updates its record; returns the new reference.
fn change_entries(zip: &mut Zip, change: impl FnOnce(&mut Vec<Entry>)) -> RRefId {
    let mut reference = None;
    change_record(zip, &good().a, |text| {
        let record = Record::parse(text).unwrap();
        let mut entries = record.manifest().entries().to_vec();
        change(&mut entries);
        let head = record.head().clone();
        let manifest = Manifest::new(entries).unwrap();
        let record = Record::new(head.derivation, head.context, head.outcome, manifest);
        let text = record.to_text();
        let hash = Digest::of(text.as_bytes()).half();
        reference = Some(RRefId::new(hash, good().a.dref().clone()));
        text.into_bytes()
    });
    reference.unwrap()
}

/// Returns a function that replaces a text, which must exist.
fn swap(from: &str, to: &str) -> impl Fn(&str) -> Vec<u8> {
    move |text| {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text.replacen(from, to, 1).into_bytes()
    }
}

/// Returns a function that appends lines.
fn and(lines: &str) -> impl Fn(&str) -> Vec<u8> {
    move |text| format!("{text}{lines}").into_bytes()
}

#[test]
fn the_good_archive_is_taken() {
    let good = good();
    assert_eq!(good.zip.bytes(), good.bytes);
    let target = Target::new(|_| ());
    let path = target._folder.path().join("good.zip");
    fs::write(&path, &good.bytes).unwrap();
    let taken = target.store.unpack(&path).unwrap();
    assert_eq!(taken, [good.a.clone(), good.b.clone()]);
    // Updating hashes after no change gives the same archive.
    let mut zip = good.zip.clone();
    zip.items.iter_mut().for_each(Item::seal);
    zip.reseal_records();
    assert_eq!(zip.bytes(), good.bytes);
}

#[test]
fn names_that_lead_elsewhere() {
    let mut cases = Cases::new();
    let p = good().prefix();
    let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
    let upper = p.replacen(&p[..32], &p[..32].to_uppercase(), 1);
    let names = [
        "../x".to_owned(),
        "../../../../etc/x".to_owned(),
        "/etc/x".to_owned(),
        "//host/x".to_owned(),
        "C:/x".to_owned(),
        "C:\\x".to_owned(),
        "..\\..\\x".to_owned(),
        "\\\\host\\x".to_owned(),
        String::new(),
        "/".to_owned(),
        ".".to_owned(),
        "x".repeat(60_000),
        "format.json".to_owned(),
        "leases/x".to_owned(),
        "locks/gc".to_owned(),
        "roots/x".to_owned(),
        "tmp/x/out/x".to_owned(),
        format!("store-v1/{p}/out/more"),
        format!("./{p}/out/more"),
        format!("{p}/out/../more"),
        format!("{p}/out/d/../../../more"),
        format!("{p}/out//more"),
        format!("{p}/out/./more"),
        format!("{p}/out/d/") + "/",
        format!("{p}/out/d/x/"),
        format!("{p}/out/d/x\0"),
        format!("{p}/out/d/x "),
        format!("{p}/out/D/x"),
        format!("{p}/OUT/d/x"),
        format!("{p}\\out\\more"),
        format!("{p}/out/{}", "x".repeat(300)),
        format!("{p}/out/u\u{308}"),
        format!("{p}/out/\u{202e}x"),
        format!("{p}/out"),
        format!("{p}/"),
        format!("{p}/record/"),
        format!("{p}/record.json"),
        format!("{p}/../config.json"),
        format!("{upper}/record"),
        format!("{p}/build-{uuid}.txt"),
        format!("{p}/build-../x.json"),
        format!("{p}/build-{{{uuid}}}.json"),
        format!("{p}/build-{uuid}.json/x"),
        format!("{}/leases", good().a.dref().folder()),
        format!("{}/config.json/", good().a.dref().folder()),
    ];
    for name in names {
        let shown = format!("{name:?}");
        let add = |zip: &mut Zip| zip.add(&name, "1");
        cases.spoil(&shown, add, &[&shown, "is not named in any record"]);
    }
    for flags in [0, 1 << 11] {
        let add = |zip: &mut Zip| {
            zip.add(b"\xff/x", "1");
            zip.items
                .last_mut()
                .unwrap()
                .both(|header| header.flags = flags);
        };
        let case = format!("not UTF-8, flags {flags}");
        cases.spoil(&case, add, &["\u{fffd}/x", "has a name that is not UTF-8"]);
    }
    cases.spoil(
        "a log without a build record",
        |zip| zip.add(format!("{p}/build-{uuid}.log"), "1"),
        &[uuid, "is a log without a build record"],
    );
    cases.spoil(
        "a build record that is none",
        |zip| zip.add(format!("{p}/build-{uuid}.json"), "[]"),
        &[uuid, "is not a known kind of build record"],
    );
    cases.spoil(
        "a build record too deep to read",
        |zip| zip.add(format!("{p}/build-{uuid}.json"), "[".repeat(200_000)),
        &[uuid, "is not a known kind of build record"],
    );
    let lonely = config("lonely");
    let name = format!("{}/config.json", lonely.id().folder());
    cases.spoil(
        "a config of no realization",
        |zip| zip.add(&name, lonely.text()),
        &[&name, "belongs to no realization"],
    );
    cases.at_least(50);
}

#[test]
fn records_that_ask_for_something_else() {
    let mut cases = Cases::new();
    let hash = "0".repeat(64);
    let file = |path: &str| format!("file {path} {hash} 1 -\n");
    let deep = format!("\"{}x\"", "d/".repeat(128));
    let long = format!("\"{}\"", "x".repeat(256));
    for (case, path, why) in [
        ("up", "\"../x\"", "which is not valid"),
        ("up within", "\"d/../x\"", "which is not valid"),
        ("absolute", "\"/x\"", "which is not valid"),
        ("here", "\"./x\"", "which is not valid"),
        ("no name", "\"\"", "which is not valid"),
        ("a slash at the end", "\"x/\"", "which is not valid"),
        ("NUL", "\"x\\u0000y\"", "has a NUL in its name"),
        ("a long name", &long, "has a name of 256 bytes"),
        ("a deep file", &deep, "is nested 129 deep"),
        (
            "below a link",
            "\"d/link/x\"",
            "is in no folder of the tree",
        ),
        ("below a file", "\"d/x/x\"", "is in no folder of the tree"),
        ("below nothing", "\"e/x\"", "is in no folder of the tree"),
        ("twice", "\"d/x\"", "comes twice"),
        ("half a pair", "\"\\ud800\"", "line"),
        ("no JSON string", "x", "line"),
    ] {
        cases.record(case, and(&file(path)), &[why]);
    }
    let line = format!("file \"zz\" {hash} 1 -\n");
    for (case, from, to, why) in [
        ("another escape", "\"d/x\"", "\"d/\\u0078\"", "canonical"),
        ("another version", "-v1\n", "-v2\n", "line 1"),
        ("another result", "res ok", "res fine", "\"res fine\""),
        ("another tree", "out ", "out 0", "line"),
        ("a tree of another size", "\ndir", "0\ndir", "line"),
        ("CRLF", "res ok\n", "res ok\r\n", "line"),
        ("a size with a sign", " 3 -", " +3 -", "canonical"),
        ("a size with a zero", " 3 -", " 03 -", "canonical"),
        ("a size below zero", " 3 -", " -3 -", "line"),
        (
            "a size beyond 64 bits",
            " 3 -",
            " 18446744073709551616 -",
            "line",
        ),
        ("a mode of its own", " 3 -", " 3 s", "line"),
        ("another word", " 3 -", " 3 - -", "line"),
        ("a device", "link \"d/link\"", "node \"d/link\"", "line"),
        (
            "a link to nothing",
            "\"../run\"",
            "\"\"",
            "is a link whose target",
        ),
        (
            "a link with NUL",
            "\"../run\"",
            "\"\\u0000\"",
            "is a link whose target",
        ),
        (
            "an endless link",
            "\"../run\"",
            &format!("\"{}\"", "x".repeat(4096)),
            "is a link whose target",
        ),
        ("a folder with a size", "dir \"d\"", "dir \"d\" 0", "line"),
        ("no context", "res ok", "dep \nres ok", "line"),
        (
            "a context of nothing",
            "res ok",
            "dep dref:00000000000000000000000000000000-x\nres ok",
            "`dep` lines",
        ),
        (
            "a path in the context",
            "res ok",
            "dep dref:../x rref:../x\nres ok",
            "line",
        ),
    ] {
        cases.record(case, swap(from, to), &[why]);
    }
    cases.record(
        "a wrong tree",
        |text| {
            let at = text.find("out ").unwrap() + 4;
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            format!("{}{other}{}", &text[..at], &text[at + 1..]).into_bytes()
        },
        &["`out` line is not the digest"],
    );
    cases.record(
        "an entry that the tree has not",
        and(&line),
        &["`out` line is not the digest"],
    );
    cases.record(
        "another hash in the tree",
        |text| {
            let at = text.find("file \"d/x\" ").unwrap() + 11;
            format!("{}{hash}{}", &text[..at], &text[at + 64..]).into_bytes()
        },
        &["`out` line is not the digest"],
    );
    cases.record(
        "executable",
        swap(" 3 -", " 3 x"),
        &["`out` line is not the digest"],
    );
    cases.record(
        "upper case",
        |text| {
            let at = text.find("drv ").unwrap() + 4;
            format!(
                "{}{}{}",
                &text[..at],
                text[at..at + 64].to_uppercase(),
                &text[at + 64..]
            )
            .into_bytes()
        },
        &["line 2"],
    );
    cases.record(
        "unsorted",
        |text| {
            let at = text.find("dir \"d\"\n").unwrap();
            format!("{}{}dir \"d\"\n", &text[..at], &text[at + 8..]).into_bytes()
        },
        &["not in canonical form"],
    );
    cases.record(
        "no newline",
        |text| text.trim_end().into(),
        &["not in canonical form"],
    );
    cases.record("a line more", and("\n"), &["line"]);
    cases.record("empty", |_| Vec::new(), &["it is truncated"]);
    cases.record("one line", |_| vec![b'x'; 100_000], &["it is truncated"]);
    cases.record("no UTF-8", |text| [text.as_bytes(), b"\xff"].concat(), &[]);
    cases.at_least(40);
}

#[test]
fn links_that_lead_out() {
    let mut cases = Cases::new();
    let long = "../d/".repeat(300) + "../..";
    for (number, targets) in [
        &["/etc/passwd"][..],
        &["../.."],
        &["../../record"],
        &["x/../../.."],
        &["../d/../.."],
        &[&long],
        // Through links: `d/m0` is in the folder, and the other links continue from there.
        &["m1/../..", "."],
        &["m1", "m2", "m3", "../.."],
        &["m1/d/../..", ".."],
        &["../d/link/../../.."],
    ]
    .iter()
    .enumerate()
    {
        let spoil = |zip: &mut Zip| {
            let id = change_entries(zip, |entries| {
                for (number, target) in targets.iter().enumerate() {
                    let target = (*target).to_owned();
                    entries.push(Entry::new(
                        format!("d/m{number}"),
                        EntryKind::Link { target },
                    ));
                }
            });
            for (number, target) in targets.iter().enumerate() {
                let name = format!("{}/out/d/m{number}", prefix(&id));
                zip.items.push(Item::new(name, target, 0o120_777));
            }
        };
        let case = format!("{number}: {targets:?}");
        cases.spoil(&case, spoil, &["out/d/m", "is a link t"]);
    }
    let kinds = [
        (
            "a link for a file",
            "d/x",
            0o120_777,
            "has the mode 120777 instead of 100444",
        ),
        (
            "a file for a link",
            "d/link",
            0o100_444,
            "has the mode 100444 instead of 120777",
        ),
        (
            "a link for a folder",
            "out/d/",
            0o120_777,
            "has the mode 120777 instead of 40555",
        ),
        (
            "a link for the artifacts",
            "out/",
            0o120_777,
            "has the mode 120777 instead of 40555",
        ),
        (
            "a link for the record",
            "record",
            0o120_777,
            "has the mode 120777 instead of 100444",
        ),
        (
            "a link for the config",
            "config.json",
            0o120_777,
            "has the mode 120777 instead of 100444",
        ),
        ("a device", "d/x", 0o020_444, "has the mode"),
        ("a pipe", "d/x", 0o010_444, "has the mode"),
        ("set-user-id", "run", 0o104_555, "has the mode"),
        ("writable", "d/x", 0o100_644, "has the mode"),
        ("no mode", "d/x", 0, "has the mode"),
    ];
    for (case, entry, mode, why) in kinds {
        cases.spoil(case, |zip| zip.item(entry).mode(mode), &[entry, why]);
    }
    cases.spoil(
        "another target",
        |zip| zip.item("d/link").keep(b"/etc/x"),
        &["d/link\" is not the link in the record"],
    );
    cases.spoil(
        "a link to a folder instead of it",
        |zip| {
            let name = zip.item("out/d/").name();
            zip.item("out/d/").rename(name.trim_end_matches('/'));
        },
        &["out/d/\" is missing"],
    );
    cases.at_least(20);
}

#[test]
fn headers_that_lie() {
    let mut cases = Cases::new();
    let two = "has two headers that differ";
    type Lie = (&'static str, fn(&mut Header), &'static str);
    let alone: [Lie; 12] = [
        ("name", |h| *h.name.last_mut().unwrap() ^= 1, two),
        (
            "name's case",
            |h| h.name.last_mut().unwrap().make_ascii_uppercase(),
            two,
        ),
        ("size", |h| h.size += 1, two),
        ("packed size", |h| h.packed -= 1, two),
        ("crc", |h| h.crc ^= 1, two),
        ("method", |h| h.method = 8, two),
        ("flags", |h| h.flags = 1, two),
        (
            "descriptor",
            |h| (h.flags, h.crc, h.size, h.packed) = (8, 0, 0, 0),
            two,
        ),
        ("time", |h| h.time = 1, two),
        ("date", |h| h.date = 0x22, two),
        ("version", |h| h.needed = 45, two),
        (
            "signature",
            |h| h.signature ^= 1,
            "its central directory does not point to its entries",
        ),
    ];
    for (case, lie, why) in alone {
        let entry = if why == two { "d/" } else { "" };
        cases.spoil(
            &format!("local {case}"),
            |zip| lie(&mut zip.item("d/x").local),
            &[entry, why],
        );
    }
    let unknown = "uses an unknown feature of zip files";
    let header = "has an unexpected header";
    let field = "has an unexpected extra field";
    let both: [Lie; 25] = [
        ("encrypted", |h| h.flags = 1, unknown),
        ("strongly encrypted", |h| h.flags = 0x41, unknown),
        ("descriptor", |h| h.flags = 8, unknown),
        ("patched", |h| h.flags = 0x20, unknown),
        ("hidden", |h| h.flags = 0x2000, unknown),
        ("UTF-8 where none is", |h| h.flags = 0x800, unknown),
        ("version", |h| h.needed = 63, unknown),
        (
            "shrunk",
            |h| h.method = 1,
            "uses an unknown compression method",
        ),
        (
            "bzip2",
            |h| h.method = 12,
            "uses an unknown compression method",
        ),
        (
            "lzma",
            |h| h.method = 14,
            "uses an unknown compression method",
        ),
        (
            "zstd",
            |h| h.method = 93,
            "uses an unknown compression method",
        ),
        (
            "AES",
            |h| h.method = 99,
            "uses an unknown compression method",
        ),
        ("time", |h| h.time = 1, "has an unexpected time"),
        ("crc", |h| h.crc ^= 1, "does not match its checksum"),
        (
            "stored and longer",
            |h| h.size += 1,
            "uses an unknown compression method",
        ),
        ("not deflated", |h| h.method = 8, "cannot be inflated"),
        (
            "a time in an extra field",
            |h| h.extra = vec![0x55, 0x54, 1, 0, 0],
            field,
        ),
        ("half an extra field", |h| h.extra = vec![1], field),
        (
            "a Unicode path",
            |h| h.extra = vec![0x75, 0x70, 5, 0, 1, 0, 0, 0, 0],
            field,
        ),
        (
            "large for nothing",
            |h| h.extra = [&[1, 0, 8, 0][..], &[0; 8]].concat(),
            "",
        ),
        ("large and too short", |h| h.extra = vec![1, 0, 0, 0], field),
        ("large without a field", |h| h.size = u32::MAX, ""),
        (
            "large by half",
            |h| {
                h.size = u32::MAX;
                h.extra = [&[1, 0, 8, 0][..], &3_u64.to_le_bytes()].concat();
            },
            "",
        ),
        (
            "endless",
            |h| {
                (h.size, h.packed) = (u32::MAX, u32::MAX);
                h.extra = [&[1, 0, 16, 0][..], &[0xff; 16]].concat();
            },
            "runs into the next",
        ),
        (
            "large and of another length",
            |h| {
                (h.size, h.packed) = (u32::MAX, u32::MAX);
                let length = 3_u64.to_le_bytes();
                h.extra = [&[1, 0, 17, 0][..], &length, &length].concat();
            },
            field,
        ),
    ];
    for (case, lie, why) in both {
        cases.spoil(case, |zip| zip.item("d/x").both(lie), &["d/x", why]);
    }
    let central: [Lie; 10] = [
        ("comment", |h| h.comment = b"x".to_vec(), header),
        ("disk", |h| h.disk = 1, header),
        ("internal attributes", |h| h.internal = 1, header),
        (
            "DOS attributes",
            |h| h.external |= 0x10,
            "has unexpected attributes",
        ),
        ("made on DOS", |h| h.made_by = 20, header),
        ("made by another version", |h| h.made_by ^= 1, header),
        (
            "offset in the middle",
            |h| h.offset = Some(5),
            "does not follow the one before",
        ),
        (
            "offset of the first",
            |h| h.offset = Some(0),
            "does not follow the one before",
        ),
        (
            "offset beyond the end",
            |h| h.offset = Some(u32::MAX - 1),
            "does not follow the one before",
        ),
        ("large offset", |h| h.offset = Some(u32::MAX), header),
    ];
    for (case, lie, why) in central {
        let spoil = |zip: &mut Zip| lie(zip.item("d/x").central.as_mut().unwrap());
        cases.spoil(&format!("central {case}"), spoil, &["d/x", why]);
    }
    cases.spoil(
        "UTF-8 that does not say so",
        |zip| zip.item("out/ü").both(|header| header.flags = 0),
        &["out/ü", unknown],
    );
    cases.spoil(
        "a local large field alone",
        |zip| zip.item("d/x").local.extra = [&[1, 0, 8, 0][..], &[0; 8]].concat(),
        &["d/x", field],
    );
    cases.at_least(45);
}

#[test]
fn files_that_are_not_only_an_archive() {
    let mut cases = Cases::new();
    let good_bytes = &good().bytes;
    let parts = "it has several parts or a comment";
    let cut = "it has no end record";
    let length = "its central directory does not have the stated length";
    let place = "its central directory is not at the stated offset";
    cases.spoil(
        "bytes before",
        |zip| zip.before = b"#!/bin/sh\n".to_vec(),
        &["does not follow the one before"],
    );
    cases.spoil(
        "bytes before the directory",
        |zip| zip.between = vec![0],
        &["data between its entries and its central directory"],
    );
    cases.spoil(
        "bytes after the directory",
        |zip| zip.trailer = vec![0],
        &[place],
    );
    cases.spoil("bytes after", |zip| zip.after = vec![0], &["is refused"]);
    cases.spoil("a comment", |zip| zip.end.comment = b"x".to_vec(), &[cut]);
    cases.spoil(
        "a comment with an end",
        |zip| {
            let mut other = Zip::default();
            other.end.start = Some(0);
            zip.end.comment = other.bytes();
        },
        &[place],
    );
    cases.spoil("another disk", |zip| zip.end.disk = 1, &[parts]);
    cases.spoil(
        "a directory on another disk",
        |zip| zip.end.directory_disk = 1,
        &[parts],
    );
    cases.spoil("entries elsewhere", |zip| zip.end.here = Some(1), &[parts]);
    let counts =
        |count: u16| move |zip: &mut Zip| (zip.end.here, zip.end.all) = (Some(count), Some(count));
    let count = good().zip.items.len() as u16;
    cases.spoil("fewer entries", counts(count - 1), &[length]);
    cases.spoil("more entries", counts(count + 1), &[length]);
    cases.spoil("no entries", counts(0), &[length]);
    cases.spoil(
        "too many to count",
        counts(u16::MAX),
        &["its end records do not fit together"],
    );
    cases.spoil(
        "a directory beyond",
        |zip| zip.end.start = Some(u32::MAX - 1),
        &[place],
    );
    cases.spoil(
        "a directory without end",
        |zip| zip.end.size = Some(u32::MAX),
        &["its end records do not fit together"],
    );
    cases.spoil(
        "a directory that begins later",
        |zip| {
            let size = zip.items[0].central.as_ref().unwrap().name.len() as u32 + 46;
            let plain = good_bytes.len() - 22;
            let old = u32::from_le_bytes(good_bytes[plain + 12..plain + 16].try_into().unwrap());
            let start = u32::from_le_bytes(good_bytes[plain + 16..plain + 20].try_into().unwrap());
            (zip.end.size, zip.end.start) = (Some(old - size), Some(start + size));
            counts(count - 1)(zip);
        },
        &["does not follow the one before"],
    );
    cases.spoil(
        "an entry in no directory",
        |zip| zip.items.last_mut().unwrap().central = None,
        &["data between"],
    );
    cases.spoil(
        "an entry in no directory, in the middle",
        |zip| zip.item("d/x").central = None,
        &["does not follow the one before"],
    );
    cases.bytes(
        "twice",
        &[&good_bytes[..], good_bytes].concat(),
        &["is refused"],
    );
    cases.bytes("nothing", b"", &[cut]);
    cases.bytes(
        "an end alone",
        &[b"PK\x05\x06", &[0xff; 18][..]].concat(),
        &[parts],
    );
    cases.bytes("zeros", &[0; 1000], &[cut]);

    // With Zip64 records.
    let large = |change: &dyn Fn(&mut [u8; 76])| {
        let plain = good_bytes.len() - 22;
        let number = |at: usize, length: usize| {
            let mut bytes = [0; 8];
            bytes[..length].copy_from_slice(&good_bytes[plain + at..][..length]);
            bytes
        };
        let mut record = [0; 76];
        record[..4].copy_from_slice(b"PK\x06\x06");
        record[4] = 44;
        (record[12], record[14]) = (45, 45);
        record[24..32].copy_from_slice(&number(10, 2));
        record[32..40].copy_from_slice(&number(10, 2));
        record[40..48].copy_from_slice(&number(12, 4));
        record[48..56].copy_from_slice(&number(16, 4));
        record[56..60].copy_from_slice(b"PK\x06\x07");
        record[64..72].copy_from_slice(&(plain as u64).to_le_bytes());
        record[72] = 1;
        change(&mut record);
        let mut bytes = good_bytes[..plain].to_vec();
        bytes.extend(record);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([0xff; 12]);
        bytes.extend([0, 0]);
        bytes
    };
    let path = folder();
    let archive = path.path().join("large.zip");
    fs::write(&archive, large(&|_| ())).unwrap();
    assert_eq!(store().1.unpack(&archive).unwrap().len(), 2);
    let fit = "its end records do not fit together";
    for (case, at, why) in [
        ("signature", 0, fit),
        ("length", 4, fit),
        ("version", 15, fit),
        ("disk", 16, fit),
        ("directory's disk", 20, fit),
        ("count here", 24, fit),
        ("length of the directory", 40, place),
        ("start of the directory", 48, place),
        ("far start of the directory", 55, place),
        ("locator", 56, fit),
        ("locator's disk", 60, fit),
        ("locator's place", 64, fit),
        ("disks", 72, fit),
    ] {
        cases.bytes(
            &format!("large: {case}"),
            &large(&|record| record[at] ^= 0x81),
            &[why],
        );
    }
    cases.bytes(
        "large: count",
        &large(&|record| (record[24], record[32]) = (1, 1)),
        &[length],
    );
    cases.bytes(
        "large: bytes between",
        &{
            let mut bytes = large(&|_| ());
            bytes.insert(bytes.len() - 22, 0);
            bytes
        },
        &[fit],
    );
    let mut plain_too = large(&|_| ());
    let end = plain_too.len() - 22;
    plain_too[end + 12..end + 16].copy_from_slice(&7_u32.to_le_bytes());
    cases.bytes("large: an end that says something else", &plain_too, &[fit]);
    cases.at_least(35);
}

#[test]
fn what_is_cut_short_anywhere() {
    let targets = Target::three();
    for length in 0..good().bytes.len() {
        // All targets only for some lengths, because comparing the whole store takes time.
        let targets = if length % 64 == 0 {
            &targets[..]
        } else {
            &targets[..1]
        };
        for target in targets {
            let case = format!("{length} bytes of it");
            target.refuses(&case, &good().bytes[..length], &["is refused"]);
        }
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflater.write_all(bytes).unwrap();
    deflater.finish().unwrap()
}

#[test]
fn bytes_that_are_not_what_they_should_be() {
    let mut cases = Cases::new();
    let p = good().prefix();
    // Entries that share data.
    cases.spoil(
        "twice the same",
        |zip| {
            let item = zip.item("d/x").clone();
            zip.items.push(item);
        },
        &["d/x\" comes twice"],
    );
    cases.spoil(
        "twice, other bytes",
        |zip| zip.add(format!("{p}/out/d/x"), "two"),
        &["d/x\" comes twice"],
    );
    cases.spoil(
        "twice the record",
        |zip| zip.add(format!("{p}/record"), "?"),
        &["/record\" comes twice"],
    );
    cases.spoil(
        "one local header for two",
        |zip| {
            let mut item = zip.item("d/x").clone();
            item.central.as_mut().unwrap().offset = Some(0);
            let other = zip.items[0].clone();
            item.central.as_mut().unwrap().name = other.local.name;
            zip.items.insert(1, item);
        },
        &["does not follow the one before"],
    );
    cases.spoil(
        "longer than there is",
        |zip| zip.item("d/x").both(|h| (h.size, h.packed) = (30, 30)),
        &["does not follow the one before"],
    );
    cases.spoil(
        "into the directory",
        |zip| {
            zip.items
                .last_mut()
                .unwrap()
                .both(|h| (h.size, h.packed) = (5000, 5000));
        },
        &["runs into the next"],
    );
    cases.spoil(
        "an entry within another",
        |zip| {
            let mut inner = Zip::default();
            inner.add(format!("{p}/out/inner"), "1");
            let bytes = inner.bytes();
            zip.item("d/x").keep(&bytes);
        },
        &["d/x\" has", "bytes, and its record says 3"],
    );
    // Decompression bombs.
    let bomb = deflate(&vec![0; 100 << 20]);
    cases.spoil(
        "a bomb that says what the record says",
        |zip| {
            let item = zip.item("zeros");
            item.data = bomb.clone();
            item.both(|h| h.packed = bomb.len() as u32);
        },
        &["zeros\" is longer than its header says"],
    );
    cases.spoil(
        "a bomb that says what it is",
        |zip| {
            let item = zip.item("zeros");
            item.data = bomb.clone();
            item.both(|h| (h.packed, h.size) = (bomb.len() as u32, 100 << 20));
        },
        &["zeros\" has 104857600 bytes, and its record says 50000"],
    );
    cases.spoil(
        "many entries",
        |zip| {
            for number in 0..60_000 {
                zip.add(format!("{p}/out/{number}"), "");
            }
        },
        &["out/", "is not named in any record"],
    );
    let forged = |size: u64| {
        move |zip: &mut Zip| {
            change_entries(zip, |entries| {
                for entry in entries {
                    if let EntryKind::File { size: of, .. } = &mut entry.kind
                        && *of == 50_000
                    {
                        *of = size;
                    }
                }
            });
            let item = zip.item("zeros");
            let packed = item.data.len() as u64;
            item.both(|h| {
                (h.size, h.packed) = (u32::MAX, u32::MAX);
                h.needed = 45;
                h.extra = [
                    &[1, 0, 16, 0][..],
                    &size.to_le_bytes(),
                    &packed.to_le_bytes(),
                ]
                .concat();
            });
        }
    };
    cases.spoil(
        "as long as can be said",
        forged(u64::MAX),
        &["it holds ", "are free on the disk"],
    );
    cases.spoil(
        "beyond signed numbers",
        forged(1 << 63),
        &["it holds ", "are free on the disk"],
    );
    cases.spoil(
        "five gigabytes",
        forged(5 << 30),
        &["zeros\" is shorter than its header says"],
    );
    for entry in ["a/config.json", "record", ".json", "d/link"] {
        let entry = if entry == "a/config.json" {
            "-a/config.json"
        } else {
            entry
        };
        cases.spoil(
            &format!("deflated {entry}"),
            |zip| {
                let item = if entry == ".json" {
                    let at = zip
                        .items
                        .iter()
                        .position(|item| item.name().contains("/build-"))
                        .unwrap();
                    &mut zip.items[at]
                } else {
                    zip.item(entry)
                };
                item.data = deflate(&item.data);
                item.both(|h| h.method = 8);
                item.seal();
            },
            &["is deflated, and may only be stored"],
        );
    }
    cases.spoil(
        "a log with more in it than it says",
        |zip| {
            let item = zip.item(".log");
            let size = item.data.len() as u32;
            item.data = deflate(&[item.data.clone(), vec![b'x'; 100_000]].concat());
            let packed = item.data.len() as u32;
            item.both(|h| (h.method, h.size, h.packed) = (8, size, packed));
        },
        &[".log\" is longer than its header says"],
    );
    // Compressed streams.
    cases.spoil(
        "more after a stream",
        |zip| {
            let item = zip.item("zeros");
            item.data.push(0);
            item.both(|h| h.packed += 1);
        },
        &["zeros\" has data after its end"],
    );
    cases.spoil(
        "a second stream",
        |zip| {
            let item = zip.item("zeros");
            item.data.extend(deflate(b"more"));
            let packed = item.data.len() as u32;
            item.both(|h| h.packed = packed);
        },
        &["zeros\" has data after its end"],
    );
    cases.spoil(
        "half a stream",
        |zip| {
            let item = zip.item("zeros");
            item.data.truncate(20);
            item.both(|h| h.packed = 20);
        },
        &["zeros\""],
    );
    cases.spoil(
        "no stream",
        |zip| {
            let item = zip.item("zeros");
            item.data.fill(0xff);
        },
        &["zeros\" cannot be inflated"],
    );
    // Folders with content.
    cases.spoil(
        "a folder with bytes",
        |zip| zip.item("out/d/").keep(b"1"),
        &["out/d/\" has 1 bytes"],
    );
    cases.spoil(
        "a folder with hidden bytes",
        |zip| {
            let item = zip.item("out/d/");
            item.data = b"hidden".to_vec();
            item.both(|h| (h.method, h.packed) = (8, 6));
        },
        &["out/d/\" is deflated, and may only be stored"],
    );
    cases.spoil(
        "the artifacts' folder with hidden bytes",
        |zip| {
            let item = zip.item("out/");
            item.data = deflate(b"");
            item.both(|h| (h.method, h.packed) = (8, 2));
        },
        &["out/\" is deflated, and may only be stored"],
    );
    cases.spoil(
        "a folder with a checksum",
        |zip| zip.item("out/d/").both(|h| h.crc = 1),
        &["out/d/\" does not match its checksum"],
    );
    // Hashes.
    cases.spoil(
        "another file",
        |zip| zip.item("d/x").keep(b"two"),
        &["d/x\" does not match the hash in its record"],
    );
    cases.spoil(
        "another deflated file",
        |zip| {
            let item = zip.item("zeros");
            item.data = deflate(&[1; 50_000]);
            item.seal();
        },
        &["zeros\" does not match the hash in its record"],
    );
    cases.spoil(
        "a longer file",
        |zip| zip.item("d/x").keep(b"three"),
        &["d/x\" has 5 bytes, and its record says 3"],
    );
    cases.spoil(
        "another record",
        |zip| zip.item("record").keep(b"?"),
        &["/record\" does not match the hash in its name"],
    );
    cases.spoil(
        "another config",
        |zip| zip.item("config.json").keep(config("c").text().as_bytes()),
        &["config.json\" does not match the hash in its name"],
    );
    cases.spoil(
        "a config not in canonical form",
        |zip| {
            let text = [&zip.item("config.json").data[..], b" "].concat();
            zip.item("config.json").keep(&text);
        },
        &["config.json\" is not a config"],
    );
    cases.spoil(
        "no config at all",
        |zip| zip.item("config.json").keep(b"\xff"),
        &["config.json\" is not a config"],
    );
    cases.spoil(
        "a config too deep to read",
        |zip| zip.item("config.json").keep(&[b'['; 100_000]),
        &["config.json\" is not a config"],
    );
    for entry in ["d/x", "d/link", "out/d/", "out/ü"] {
        cases.spoil(
            &format!("without {entry}"),
            |zip| zip.items.retain(|item| !item.name().ends_with(entry)),
            &[entry, "is missing"],
        );
    }
    cases.at_least(38);
}

#[test]
fn realizations_that_do_not_belong_together() {
    let mut cases = Cases::new();
    let Good { a, b, .. } = good();
    let without = |folder: String| {
        move |zip: &mut Zip| zip.items.retain(|item| !item.name().starts_with(&folder))
    };
    cases.spoil(
        "without what it was made from",
        without(a.dref().folder()),
        &[&b.to_string(), &a.to_string(), "without its dependency"],
    );
    cases.spoil(
        "without the realization of a config",
        without(format!("{}/{}", b.dref().folder(), b.folder())),
        &["belongs to no realization"],
    );
    cases.spoil(
        "without a config",
        |zip| {
            zip.items
                .retain(|item| !item.name().ends_with("-b/config.json"));
        },
        &["comes without the config of its derivation"],
    );
    let other = RRefId::new([7; 16], a.dref().clone());
    cases.spoil(
        "another realization in the context",
        |zip| {
            change_record(zip, b, swap(&a.to_string(), &other.to_string()));
        },
        &[&other.to_string(), "without its dependency"],
    );
    cases.spoil(
        "itself in the context",
        |zip| {
            change_record(zip, b, |text| {
                let (from, to) = (a.dref().to_string(), b.dref().to_string());
                text.replace(&a.to_string(), &b.to_string())
                    .replace(&from, &to)
                    .into_bytes()
            });
        },
        &["was made from dref:", "which its config does not name"],
    );
    cases.spoil(
        "a loop",
        |zip| {
            let line = format!("dep {} {b}\nres ok", b.dref());
            change_record(zip, a, swap("res ok", &line));
        },
        &["was made from dref:", "which its config does not name"],
    );
    cases.spoil(
        "a loop back that its record's hash denies",
        |zip| {
            let line = format!("dep {} {b}\nres ok", b.dref());
            let item = zip.item("record");
            let text = String::from_utf8(item.data.clone())
                .unwrap()
                .replace("res ok", &line);
            item.keep(text.as_bytes());
        },
        &["/record\" does not match the hash in its name"],
    );
    let stranger = config("stranger");
    let made = RRefId::new([7; 16], stranger.id().clone());
    cases.spoil(
        "a derivation that the config does not name",
        |zip| {
            let line = format!("dep {} {made}\nres ok", stranger.id());
            change_record(zip, a, swap("res ok", &line));
        },
        &[
            "was made from dref:",
            "stranger, which its config does not name",
        ],
    );
    cases.spoil(
        "a realization under another derivation",
        |zip| {
            let line = format!("dep {} {a}\nres ok", b.dref());
            change_record(zip, a, swap("res ok", &line));
        },
        &["/record\" is not the record of a realization"],
    );
    cases.spoil(
        "of another derivation",
        |zip| {
            let from = config("a").digest().to_string();
            let to = format!("{}{}", &from[..32], "0".repeat(32));
            change_record(zip, a, swap(&from, &to));
        },
        &["/record\" is of another derivation"],
    );
    cases.spoil(
        "a realization of another derivation's folder",
        |zip| {
            let from = prefix(a);
            let to = format!("{}/{}", b.dref().folder(), a.folder());
            for item in &mut zip.items {
                let name = item.name();
                if name.starts_with(&from) {
                    item.rename(name.replacen(&from, &to, 1));
                }
            }
            zip.items
                .retain(|item| !item.name().ends_with("-a/config.json"));
        },
        &["is of another derivation"],
    );
    cases.spoil(
        "a config under another name",
        |zip| {
            let name = a.dref().folder();
            let to = format!("{}-c", &name[..32]);
            for item in &mut zip.items {
                let old = item.name();
                if old.starts_with(&name) {
                    item.rename(old.replacen(&name, &to, 1));
                }
            }
        },
        &["-c/config.json\" does not match the hash in its name"],
    );
    cases.spoil(
        "a dependency of the config alone",
        |zip| {
            // `a` depends on `b`, which depends on `a`: both hashes cannot be right.
            let text = config_on("a", &config_on("b", &config("a")))
                .text()
                .to_owned();
            zip.item("-a/config.json").keep(text.as_bytes());
            let at = zip
                .items
                .iter()
                .position(|item| item.name().ends_with("-a/config.json"))
                .unwrap();
            zip.rename_config(at);
        },
        &["config.json\" does not match the hash in its name"],
    );
    let bad: ConfigJson = config_on("b", &config("other"));
    cases.spoil(
        "a context for another config",
        |zip| {
            let at = zip
                .items
                .iter()
                .position(|item| item.name().ends_with("-b/config.json"))
                .unwrap();
            zip.items[at].keep(bad.text().as_bytes());
            zip.rename_config(at);
            zip.reseal_records();
        },
        &["which its config does not name"],
    );
    cases.at_least(12);
}

/// Adds an entry for each of these paths to `a`.
fn with_entries(entries: Vec<Entry>, bytes: &dyn Fn(&Entry) -> Vec<u8>) -> Vec<u8> {
    let mut zip = good().zip.clone();
    let id = change_entries(&mut zip, |all| all.extend(entries.iter().cloned()));
    for entry in &entries {
        let name = format!("{}/out/{}", prefix(&id), entry.path);
        match &entry.kind {
            EntryKind::Dir => zip.items.push(Item::new(name + "/", "", 0o040_555)),
            EntryKind::File { .. } => zip.add(name, bytes(entry)),
            EntryKind::Link { target } => zip.items.push(Item::new(name, target, 0o120_777)),
            other => unreachable!("{other:?} is made nowhere here"),
        }
    }
    zip.bytes()
}

#[test]
fn paths_too_long_for_the_system() {
    let mut cases = Cases::new();
    for length in [200, 255] {
        for depth in 14..22 {
            let name = "n".repeat(length);
            let entries = (1..=depth)
                .map(|depth| Entry::new(vec![name.as_str(); depth].join("/"), EntryKind::Dir))
                .collect();
            let path = depth * (length + 1);
            // Valid paths are accepted.
            if path < 4090 {
                continue;
            }
            let archive = with_entries(entries, &|_| Vec::new());
            cases.bytes(
                &format!("{depth} times {length}"),
                &archive,
                &["/nnn", "too long"],
            );
        }
    }
}

#[test]
fn links_that_take_for_ever_to_follow() {
    // Each link continues with the next one, and the last one leads to a deep path that does not exist.
    let entries = (0..300)
        .map(|number| {
            Entry::new(
                format!("l{number:03}"),
                EntryKind::Link {
                    target: format!("l{:03}{}", number + 1, "/x".repeat(2040)),
                },
            )
        })
        .collect();
    let archive = with_entries(entries, &|_| Vec::new());
    let (folder, store) = store();
    let path = folder.path().join("links.zip");
    fs::write(&path, archive).unwrap();
    let start = std::time::Instant::now();
    let error = store.unpack(path).unwrap_err();
    let taken = start.elapsed();
    assert!(
        error.to_string().contains("which does not exist"),
        "{error}"
    );
    assert!(taken.as_secs() < 60, "{taken:?}");
}
