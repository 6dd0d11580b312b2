//! Archives with random changes: whatever is accepted leaves a valid store, with only content of the valid archive.
//! `MUTANTS_SEED` and `MUTANTS_COUNT` change the seed and the number of the mutants.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use pylightnix::ErrorKind;
use pylightnix::store::{Context, Durability, Outcome, Store};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::str::FromStr as _;
use tests::crafted::{Numbers, Zip};
use tests::store::{built, config, config_on, folder, objects, publish_texts, snapshot, store};

type Objects = BTreeMap<String, (u32, Vec<u8>)>;

/// Returns archives, each with the objects that unpacking creates.
fn good() -> Vec<(Vec<u8>, Objects)> {
    let (folder, store) = store();
    let (a, b) = (config("a"), config_on("b", &config("a")));
    let mut draft = store.plumbing().draft().unwrap();
    fs::create_dir(draft.out().join("d")).unwrap();
    fs::write(draft.out().join("d/x"), "one").unwrap();
    fs::write(draft.out().join("d/zeros"), vec![0; 3000]).unwrap();
    symlink("x", draft.out().join("d/link")).unwrap();
    fs::write(draft.log(), "a line\n").unwrap();
    let a = draft
        .publish(&a, &Context::empty(), Outcome::Ok, &built())
        .unwrap()
        .id;
    let on = Context::from_iter([a.clone()]);
    let b = publish_texts(&store, &b, &on, &[("y", "3")]);
    [a, b]
        .iter()
        .map(|rref| {
            let archive = folder.path().join("good.zip");
            store.pack([rref], &archive).unwrap();
            let (_other, other) = tests::store::store();
            other.unpack(&archive).unwrap();
            (fs::read(archive).unwrap(), objects(&other))
        })
        .collect()
}

/// Changes arbitrary bytes.
fn mutate_bytes(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(6) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.draw() as u8,
            2 => bytes.insert(at, numbers.draw() as u8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let from = numbers.below(other.len());
                let until = (from + 1 + numbers.below(200)).min(other.len());
                bytes.splice(at..end, other[from..until].iter().copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Changes entries, and updates their headers.
fn mutate_entries(zip: &mut Zip, other: &Zip, numbers: &mut Numbers) {
    let at = numbers.below(zip.items.len());
    let to = numbers.below(zip.items.len());
    match numbers.below(7) {
        0 => zip.items.swap(at, to),
        1 => drop(zip.items.remove(at)),
        2 => zip.items.insert(to, zip.items[at].clone()),
        3 => {
            let data = zip.items[to].data.clone();
            zip.items[at].data = data;
        }
        4 => {
            let name = zip.items[to].local.name.clone();
            zip.items[at].rename(name);
        }
        5 => zip.items[at] = other.items[numbers.below(other.items.len())].clone(),
        _ => {
            let mut data = zip.items[at].data.clone();
            data.push(0);
            mutate_bytes(&mut data, &other.items[0].data, numbers);
            zip.items[at].data = data;
        }
    }
    if at < zip.items.len() {
        zip.items[at].seal();
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| u64::from_str(&text).unwrap())
}

#[test]
fn whatever_is_taken_is_good() {
    let (seed, count) = (number("MUTANTS_SEED", 1), number("MUTANTS_COUNT", 1000));
    println!("MUTANTS_SEED={seed} MUTANTS_COUNT={count}");
    let good = good();
    let folder = folder();
    let archive = folder.path().join("mutant.zip");
    let fresh = || -> (tempfile::TempDir, Store) {
        let (folder, store) = store();
        (folder, store.with_durability(Durability::None))
    };
    let mut place = fresh();
    let mut taken = [0; 2];
    for round in 0..count {
        let mut numbers = Numbers::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let which = numbers.below(good.len());
        let ((bytes, wanted), (other, _)) = (&good[which], &good[1 - which]);
        let entries = round % 2 == 1;
        let mutant = if entries {
            let mut zip = Zip::parse(bytes).unwrap();
            for _ in 0..=numbers.below(2) {
                mutate_entries(&mut zip, &Zip::parse(other).unwrap(), &mut numbers);
            }
            zip.bytes()
        } else {
            let mut mutant = bytes.clone();
            mutate_bytes(&mut mutant, other, &mut numbers);
            mutant
        };
        fs::write(&archive, &mutant).unwrap();
        let store = &place.1;
        match store.unpack(&archive) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Archive, "round {round}: {error:?}");
                assert!(objects(store).is_empty(), "round {round}");
                let left = snapshot(&store.root().join("tmp"));
                assert!(left.len() <= 1, "round {round}: {left:?}");
            }
            Ok(_) => {
                taken[usize::from(entries)] += 1;
                let report = store.check().contents().run().unwrap();
                assert!(report.faults.is_empty(), "round {round}: {report}");
                for (path, object) in objects(store) {
                    // Build records are not covered by a hash.
                    let build = entries && path.contains("/build-");
                    let all = good.iter().find_map(|(_, objects)| objects.get(&path));
                    let wanted = wanted.get(&path).or(all);
                    assert!(build || wanted == Some(&object), "round {round}: {path}");
                }
                place = fresh();
            }
        }
        assert_eq!(
            fs::read_dir(place.0.path()).unwrap().count(),
            1,
            "round {round}"
        );
    }
    let [of_bytes, of_entries] = taken;
    println!("{count} mutants: taken {of_bytes} of changed bytes, {of_entries} of changed entries");
    // Some mutants are harmless, for example with another order of entries; if none were accepted, the test would be
    // ineffective.
    assert!(count < 500 || of_entries > 0);
}
