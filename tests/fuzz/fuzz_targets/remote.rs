//! Remotes: whatever segment or pack is there, nothing is published that is not whole, and nothing panics.
//!
//! The first byte of the input says what the rest is: the text of the only segment, or what is in the only pack. All names are then
//! made to fit, as a liar would. The remote and the store are in memory.
#![no_main]

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pylightnix::Result;
use pylightnix::config::{ConfigJson, Digest};
use pylightnix::jiff::Timestamp;
use pylightnix::store::remote::{Backend, Object, ObjectReader, Pull, Push, Remote};
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The objects of a remote, in memory.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    fn with<R>(&self, done: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> R) -> R {
        done(&mut self.0.lock().expect("no panic before"))
    }
}

impl Backend for Memory {
    fn url(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        let folder = format!("{folder}/");
        Ok(Some(self.with(|objects| {
            let below = objects.iter().filter(|(name, _)| name.starts_with(&folder));
            below.map(|(name, bytes)| Object::new(name, bytes.len() as u64)).collect()
        })))
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let Some(bytes) = self.with(|objects| objects.get(object).cloned()) else {
            return Ok(None);
        };
        let end = bytes.len() as u64;
        let range = range.unwrap_or(0..end);
        let part = bytes[range.start.min(end) as usize..range.end.min(end) as usize].to_vec();
        Ok(Some(Box::new(Cursor::new(part))))
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        Ok(self.with(|objects| objects.get(object).map(|bytes| bytes.len() as u64)))
    }

    fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.with(|objects| objects.insert(object.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn put_file(&self, object: &str, file: &Path) -> Result<()> {
        self.put(object, &fs::read(file).expect("a file of the store"))
    }

    fn delete(&self, object: &str) -> Result<()> {
        self.with(|objects| objects.remove(object));
        Ok(())
    }

    fn time(&self) -> Result<Timestamp> {
        Ok(Timestamp::now())
    }
}

/// A remote with two realizations.
struct Good {
    objects: BTreeMap<String, Vec<u8>>,
    segment: String,
    text: Vec<u8>,
    pack: String,
    packed: Vec<u8>,
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text).expect("gzip");
    text
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

fn place(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/pylightnix-fuzz-{name}-{}", std::process::id()))
}

fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let root = place("good");
        let _ = fs::remove_dir_all(&root);
        let store = Store::open(&root).expect("a store");
        let a = ConfigJson::from_json("{\"name\": \"a\"}").expect("a config");
        let b = format!("{{\"name\": \"b\", \"on\": \"{}\"}}", a.id());
        let b = ConfigJson::from_json(&b).expect("a config");
        let mut context = Vec::new();
        for config in [a, b] {
            let mut draft = store.plumbing().draft().expect("a draft");
            fs::create_dir(draft.out().join("d")).expect("made");
            fs::write(draft.out().join("d/x"), "x").expect("made");
            fs::write(draft.out().join("large"), "y".repeat(70_000)).expect("made");
            fs::write(draft.log(), "said").expect("made");
            let mut build = BuildRecord::now(BuildKind::Build);
            (build.host, build.user, build.command) = Default::default();
            let of = Context::from_iter(context.iter().cloned());
            let published = draft.publish(&config, &of, Outcome::Ok, &build).expect("published");
            context.push(published.id);
        }
        let memory = Memory::default();
        Push::new(&store, &Remote::over(memory.clone())).run(&context).expect("pushed");
        drop(store);
        let _ = fs::remove_dir_all(root);
        let objects = memory.with(|objects| objects.clone());
        let only = |start: &str| {
            let found = objects.keys().find(|name| name.starts_with(start) && name.ends_with(".gz"));
            found.expect("one").clone()
        };
        let (segment, pack) = (only("index/"), only("pack/"));
        let (text, packed) = (inflated(&objects[&segment]), inflated(&objects[&pack]));
        Good { objects, segment, text, pack, packed }
    })
}

fn in_pack(good: &Good, bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut objects = good.objects.clone();
    let gzip = deflated(bytes);
    let (old, new) = (&good.pack[5..69], Digest::of(&gzip).to_string());
    let text = String::from_utf8_lossy(&good.text).replace(old, &new);
    let lines = text.lines().map(|line| match line.split_once(&format!("{new}:")) {
        // One member now, of this length.
        Some((before, rest)) => {
            let rest = rest.split_once(':').map_or("", |(_, rest)| rest);
            format!("{before}{new}:0+{}:{rest}\n", gzip.len())
        }
        None => format!("{line}\n"),
    });
    let text: String = lines.collect();
    objects.remove(&good.pack);
    objects.insert(format!("pack/{new}.gz"), gzip);
    in_segment(good, objects, text.as_bytes())
}

fn in_segment(
    good: &Good,
    mut objects: BTreeMap<String, Vec<u8>>,
    text: &[u8],
) -> BTreeMap<String, Vec<u8>> {
    objects.remove(&good.segment);
    let gzip = deflated(text);
    let name = format!("{}-{}.gz", &good.segment[..42], Digest::of(&gzip));
    objects.insert(name, gzip);
    objects
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let good = good();
    let objects = match kind % 2 {
        0 => in_segment(good, good.objects.clone(), rest),
        _ => in_pack(good, rest),
    };
    let remote = Remote::over(Memory(Arc::new(Mutex::new(objects))));
    let root = place("store");
    let _ = fs::remove_dir_all(&root);
    let store = Store::open(&root).expect("a store").with_durability(Durability::None);
    let pulled = Pull::new(&store, &remote).run_every().expect("a remote");
    let report = store.check().contents().run().expect("a check");
    assert!(report.faults.is_empty(), "{report}");
    assert_eq!(report.realizations, pulled.rrefs.len());
    remote.verify(1.0).expect("a remote");
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let good = good();
    let is_fresh = size < 2 || seed % 50 == 0;
    if !is_fresh || max_size <= good.text.len().max(good.packed.len()) {
        return fuzzer_mutate(data, size, max_size);
    }
    let kind = (seed / 50 % 2) as u8;
    let bytes = if kind == 0 { &good.text } else { &good.packed };
    data[0] = kind;
    data[1..=bytes.len()].copy_from_slice(bytes);
    fuzzer_mutate(data, bytes.len() + 1, max_size)
});
