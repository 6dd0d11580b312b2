//! Archives: an accepted archive leaves an intact store that can be packed again; a refused archive changes nothing.
//!
//! Most mutations change parts of an archive and then update checksums, hashes and references, so that they pass the first
//! checks. The store is in memory.
#![no_main]

#[path = "../../src/crafted.rs"]
#[allow(dead_code, reason = "tests use what this target does not")]
mod crafted;

use crafted::{Header, Item, Numbers, Zip};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pylightnix::config::ConfigJson;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use pylightnix::{ErrorKind, config};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The number of uses of a store before the next one is created, because its lease only grows.
const USES: usize = 2_000;

struct Place {
    root: PathBuf,
    store: Option<Store>,
    uses: usize,
}

impl Place {
    fn new() -> Self {
        let root = PathBuf::from(format!("/dev/shm/pylightnix-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a folder in memory");
        Place {
            root,
            store: None,
            uses: 0,
        }
    }

    fn store(&mut self) -> &Store {
        self.uses += 1;
        if self.uses > USES {
            self.uses = 0;
            self.store = None;
            let _ = fs::remove_dir_all(self.root.join("store"));
        }
        let root = self.root.join("store");
        self.store.get_or_insert_with(|| {
            let store = Store::open(root).expect("a store");
            store.with_durability(Durability::None)
        })
    }
}

thread_local! {
    static PLACE: RefCell<Place> = RefCell::new(Place::new());
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fuzz_target!(|data: &[u8]| {
    PLACE.with_borrow_mut(|place| {
        let archive = place.root.join("archive.zip");
        fs::write(&archive, data).expect("the archive");
        let root = place.root.clone();
        let store = place.store();
        let taken = store.unpack(&archive);
        let objects = names(&store.root().join("store-v1"));
        match taken {
            Ok(rrefs) => {
                let report = store.check().contents().run().expect("a check");
                assert!(report.faults.is_empty(), "{report}");
                assert_eq!(report.realizations, rrefs.len());
                let again = root.join("again.zip");
                store.pack(&rrefs, &again).expect("packed again");
                assert_eq!(
                    store.unpack(&again).expect("unpacked again").len(),
                    rrefs.len()
                );
                fs::remove_file(&again).expect("removed");
                for path in objects {
                    fs::remove_dir_all(path).expect("removed");
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Archive, "{error:?}");
                assert!(objects.is_empty(), "{objects:?}");
            }
        }
        let tmp = root.join("store/tmp");
        if tmp.exists() {
            let left: Vec<_> = names(&tmp).iter().flat_map(|lease| names(lease)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        assert_eq!(names(&root).len(), 2, "something beside the store");
    });
});

/// Returns a valid archive of three realizations with all kinds of entries.
fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let root = PathBuf::from(format!(
            "/dev/shm/pylightnix-fuzz-good-{}",
            std::process::id()
        ));
        let store = Store::open(&root).expect("a store");
        let config = |text: String| ConfigJson::from_json(&text).expect("a config");
        let a = config("{\"name\": \"a\"}".into());
        let b = config(format!("{{\"name\": \"b\", \"on\": \"{}\"}}", a.id()));
        let c = config(format!(
            "{{\"name\": \"c\", \"on\": [\"{}\", \"{}\"]}}",
            a.id(),
            b.id()
        ));
        let mut context: Vec<config::RRefId> = Vec::new();
        for (number, config) in [a, b, c].iter().enumerate() {
            let mut draft = store.plumbing().draft().expect("a draft");
            let out = draft.out().to_owned();
            fs::create_dir(out.join("d")).expect("made");
            fs::write(out.join("d/x"), "x".repeat(number * 40)).expect("made");
            if number == 1 {
                fs::write(out.join("ü"), "1").expect("made");
                fs::write(out.join("run"), "#!").expect("made");
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(out.join("run"), mode).expect("made");
                symlink("../run", out.join("d/l")).expect("made");
                symlink("d/l", out.join("k")).expect("made");
                fs::write(draft.log(), "said").expect("made");
            }
            let mut build = BuildRecord::now(BuildKind::Build);
            (build.host, build.user, build.command) = Default::default();
            let context_of = Context::from_iter(context.iter().cloned());
            let id = draft
                .publish(config, &context_of, Outcome::Ok, &build)
                .expect("published")
                .id;
            context.push(id);
        }
        let archive = root.join("good.zip");
        store.pack(&context, &archive).expect("packed");
        let bytes = fs::read(archive).expect("read");
        drop(store);
        let _ = fs::remove_dir_all(root);
        bytes
    })
}

/// Mutates bytes with libFuzzer.
fn mutate(bytes: &[u8], more: usize) -> Vec<u8> {
    let mut buffer = bytes.to_vec();
    buffer.resize(bytes.len() + more, 0);
    let length = fuzzer_mutate(&mut buffer, bytes.len(), bytes.len() + more);
    buffer.truncate(length);
    buffer
}

fn header(header: &mut Header, numbers: &mut Numbers) {
    let odd = [
        0,
        1,
        8,
        9,
        20,
        45,
        0x21,
        0x800,
        0xffff,
        0xffff_ffff,
        numbers.draw() as u32,
    ];
    let value = odd[numbers.below(odd.len())];
    match numbers.below(14) {
        0 => header.needed = value as u16,
        1 => header.flags = value as u16,
        2 => header.method = value as u16,
        3 => header.time = value as u16,
        4 => header.date = value as u16,
        5 => header.crc = value,
        6 => header.packed = value,
        7 => header.size = value,
        8 => header.extra = mutate(&header.extra, 32),
        9 => header.made_by = value as u16,
        10 => header.comment = mutate(&header.comment, 8),
        11 => (header.disk, header.internal) = (value as u16, (value >> 16) as u16),
        12 => header.external = value,
        _ => header.offset = Some(value),
    }
}

fn deflated(item: &mut Item) {
    use std::io::Write as _;
    let bytes = item.bytes(1 << 20);
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflater.write_all(&bytes).expect("memory");
    item.data = deflater.finish().expect("memory");
    item.both(|header| header.method = 8);
    item.seal();
}

fn mutate_parts(zip: &mut Zip, numbers: &mut Numbers) {
    let count = zip.items.len();
    let (at, other) = (numbers.below(count), numbers.below(count));
    match numbers.below(16) {
        0..5 => {
            // Mutate the content of an entry; usually everything that depends on it is updated.
            let bytes = mutate(&zip.items[at].data, 64);
            zip.items[at].data = bytes;
            zip.items[at].seal();
            zip.rename_config(at);
            if numbers.below(4) > 0 {
                zip.reseal_records();
            }
        }
        5 => {
            let from = zip.items[other].data.clone();
            zip.items[at].keep(&from);
            zip.reseal_records();
        }
        6 => {
            let name = mutate(&zip.items[at].local.name, 16);
            zip.items[at].rename(name);
        }
        7 => zip.items.swap(at, other),
        8 => {
            let item = zip.items[at].clone();
            zip.items.insert(other, item);
        }
        9 => {
            zip.items.remove(at);
        }
        10 => zip.items[at].both(|both| header(both, &mut numbers.clone())),
        11 => {
            let item = &mut zip.items[at];
            match numbers.below(3) {
                0 => header(&mut item.local, numbers),
                1 => item
                    .central
                    .iter_mut()
                    .for_each(|central| header(central, numbers)),
                _ => item.central = None,
            }
        }
        12 => {
            let modes = [0o100_444, 0o100_555, 0o040_555, 0o120_777, 0o100_644];
            zip.items[at].mode(modes[numbers.below(modes.len())]);
        }
        13 => deflated(&mut zip.items[at]),
        14 => {
            let part = match numbers.below(5) {
                0 => &mut zip.before,
                1 => &mut zip.between,
                2 => &mut zip.trailer,
                3 => &mut zip.after,
                _ => &mut zip.end.comment,
            };
            *part = mutate(part, 80);
        }
        _ => {
            // Shuffle, duplicate or drop the lines of a record.
            if let Some(item) = zip
                .items
                .iter_mut()
                .filter(|item| item.name().ends_with("/record"))
                .nth(at % 3)
            {
                let text = String::from_utf8_lossy(&item.data).into_owned();
                let mut lines: Vec<&str> = text.lines().collect();
                if lines.is_empty() {
                    return;
                }
                let (from, to) = (numbers.below(lines.len()), numbers.below(lines.len()));
                match numbers.below(3) {
                    0 => lines.swap(from, to),
                    1 => lines.insert(to, lines[from]),
                    _ => drop(lines.remove(from)),
                }
                item.keep((lines.join("\n") + "\n").as_bytes());
            }
            zip.reseal_records();
        }
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut numbers = Numbers::new(seed.into());
    if numbers.below(20) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let parsed = Zip::parse(&data[..size]).filter(|zip| !zip.items.is_empty());
    let mut zip = parsed.unwrap_or_else(|| Zip::parse(good()).expect("a good archive"));
    for _ in 0..=numbers.below(3) {
        if !zip.items.is_empty() {
            mutate_parts(&mut zip, &mut numbers);
        }
    }
    let bytes = zip.bytes();
    if bytes.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
});
