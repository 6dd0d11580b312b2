//! Equal values in two processes, where hash maps have other orders.

use ndarray::array;
use pylightnix::lens::format::{AnyArray, Gz, Npz, NpzCompressed, Parts, Postcard, Toml, Zstd};
use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use tests::store::child;

#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    count: u64,
}

type Counts = HashMap<String, u64>;

/// An artifact in each format.
#[derive(Config)]
struct Maps {
    #[selfref("map.json")]
    json: SelfRef<Json<Counts>>,
    #[selfref("map.toml")]
    toml: SelfRef<Toml<HashMap<String, Counts>>>,
    #[selfref("map.postcard")]
    postcard: SelfRef<Postcard<HashMap<u64, Counts>>>,
    #[selfref("map.csv")]
    csv: SelfRef<Csv<Row>>,
    #[selfref("map.json.gz")]
    gz: SelfRef<Gz<Json<Counts>>>,
    #[selfref("map.postcard.zst")]
    zstd: SelfRef<Zstd<Postcard<Counts>>>,
    #[selfref("maps")]
    parts: SelfRef<Parts<Postcard<Counts>>>,
    #[selfref("arrays.npz")]
    npz: SelfRef<Npz>,
    #[selfref("compressed.npz")]
    npz_compressed: SelfRef<NpzCompressed>,
}

#[stage]
fn maps(b: &Build<Maps>) -> Result<MapsOutputs> {
    let counts: Counts = (0..20).map(|n| (format!("key {n}"), n)).collect();
    let by_name = (0..20).map(|n| (format!("k{n}"), counts.clone()));
    let by_number = (0..20).map(|n| (n * 1000, counts.clone()));
    let sorted: BTreeMap<_, _> = counts.iter().collect();
    let rows = sorted.into_iter().map(|(name, count)| Row {
        name: name.clone(),
        count: *count,
    });
    let arrays = counts
        .iter()
        .map(|(name, count)| (name.clone(), AnyArray::from(array![*count])));
    let arrays = arrays.collect();
    let mut parts = b.parts.begin()?;
    parts.add(&counts)?;
    parts.add(&counts)?;
    Ok(MapsOutputs {
        json: b.json.save(&counts)?,
        toml: b.toml.save(&by_name.collect())?,
        postcard: b.postcard.save(&by_number.collect())?,
        csv: b.csv.save(&rows.collect::<Vec<_>>())?,
        gz: b.gz.save(&counts)?,
        zstd: b.zstd.save(&counts)?,
        parts: parts.finish(),
        npz: b.npz.save(&arrays)?,
        npz_compressed: b.npz_compressed.save(&arrays)?,
    })
}

/// Makes the result in a store of its own.
pub(super) fn make(place: &Path) -> Result<()> {
    let store = Store::open(place.join("store"))?;
    let made = store.realize(&instantiate(Maps::new())?)?;
    let counts = made.json.load()?;
    let order: Vec<&str> = counts.keys().map(String::as_str).collect();
    fs::write(place.join("order.txt"), order.join("\n"))?;
    fs::write(place.join("result.txt"), made.id().to_string())?;
    Ok(())
}

#[test]
fn equal_values_are_equal_files_in_every_process() {
    let made = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        let done = child("write", folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}");
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        (text("result.txt"), text("order.txt"), folder)
    });
    let [(first, one_order, a), (second, other_order, b)] = made;
    assert_ne!(one_order, other_order, "the order of hash maps differs");
    let files = |folder: &tempfile::TempDir| {
        let store = Store::open_existing(folder.path().join("store")).unwrap();
        let made = store.refer_to_realization("maps").unwrap();
        let out = store.out_dir(&made);
        let all = fs::read_dir(out).unwrap().map(|it| it.unwrap().path());
        let all = all.filter(|path| path.is_file());
        let all = all.map(|path| {
            (
                path.file_name().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        });
        all.collect::<BTreeMap<_, _>>()
    };
    for ((name, one), (_, other)) in files(&a).into_iter().zip(files(&b)) {
        assert!(one == other, "{name:?} differs");
    }
    assert_eq!(first, second, "the results have one reference");
}
