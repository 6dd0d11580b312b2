//! Values in `Postcard` and `Toml`, and `Zstd` around other formats.

use proptest::prelude::*;
use pylightnix::lens::format::{Gz, Postcard, Toml, Zstd};
use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;

use super::tables::{loaded, place, saved};
use super::what_comes_back::{Shape, Tree, fits, shape, tree};

/// What TOML has a form for, and some of what it has none for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Notes {
    zeroth: BTreeMap<String, Vec<i64>>,
    text: String,
    large: u64,
    below: i64,
    loss: f64,
    few: Option<f32>,
    twice: Option<Option<u8>>,
    letter: char,
    good: bool,
    shapes: Vec<Shape>,
    by_name: HashMap<String, Option<f64>>,
}

prop_compose! {
    fn notes()(
        zeroth in prop::collection::btree_map("[a-z. \\n]{0,3}", prop::collection::vec(any::<i64>(), 0..3), 0..3),
        text in any::<String>(), large in prop_oneof![0..9_u64, any::<u64>()], below in any::<i64>(), loss in prop::num::f64::ANY,
        few in any::<Option<f32>>(), twice in any::<Option<Option<u8>>>(), letter in any::<char>(), good in any::<bool>(),
        shapes in prop::collection::vec(shape(), 0..3),
        by_name in prop::collection::hash_map(any::<String>(), prop::option::weighted(0.9, any::<f64>()), 0..4),
    ) -> Notes {
        Notes { zeroth, text, large, below, loss, few, twice, letter, good, shapes, by_name }
    }
}

/// Whether TOML has a form for it.
fn has_a_form(notes: &Notes) -> bool {
    let shape = |shape: &Shape| match shape {
        Shape::Named { sides } => sides.iter().all(Option::is_some),
        _ => true,
    };
    let nan = notes.loss.is_nan();
    i64::try_from(notes.large).is_ok()
        && notes.twice != Some(None)
        && notes.by_name.values().all(Option::is_some)
        && notes.shapes.iter().all(shape)
        // NaN has many forms in memory, and TOML has two.
        && (!nan || notes.loss.to_bits() << 1 == f64::NAN.to_bits() << 1)
}

proptest! {
    #[test]
    fn what_is_in_postcard_comes_back(tree in tree()) {
        let bytes = saved::<Postcard<Tree>>(&tree).unwrap();
        let read = loaded::<Postcard<Tree>>(&bytes);
        prop_assert!(read == tree || !fits(&tree), "a NaN is not equal to itself");
        prop_assert_eq!(saved::<Postcard<Tree>>(&read).unwrap(), &*bytes);
        let mut again = tree.clone();
        again.by_name = tree.by_name.clone().into_iter().collect();
        prop_assert_eq!(saved::<Postcard<Tree>>(&again).unwrap(), bytes, "another hash map has another order");
    }

    #[test]
    fn what_is_in_toml_comes_back_or_is_refused(notes in notes()) {
        match saved::<Toml<Notes>>(&notes) {
            Ok(bytes) => {
                prop_assert!(has_a_form(&notes));
                let read = loaded::<Toml<Notes>>(&bytes);
                prop_assert!(read == notes || notes.loss.is_nan());
                prop_assert_eq!(read.loss.to_bits(), notes.loss.to_bits());
                let mut again = notes.clone();
                again.by_name = notes.by_name.clone().into_iter().collect();
                prop_assert_eq!(saved::<Toml<Notes>>(&again).unwrap(), bytes);
            }
            Err(error) => prop_assert!(!has_a_form(&notes), "{}", error),
        }
    }

    #[test]
    fn what_zstandard_compresses_comes_back(text in "(.|\n){0,400}", times in 1..50_usize) {
        let text = text.repeat(times);
        let bytes = saved::<Zstd<Text>>(&text).unwrap();
        prop_assert_eq!(&bytes[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        prop_assert_eq!(loaded::<Zstd<Text>>(&bytes), text.clone());
        prop_assert_eq!(saved::<Zstd<Text>>(&text).unwrap(), bytes);
    }
}

/// One of each kind of value that serde knows.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Every {
    signed: (i8, i16, i32, i64, i128),
    unsigned: (u8, u16, u32, u64, u128),
    floats: [f64; 3],
    few: f32,
    good: bool,
    letter: char,
    text: String,
    maybe: [Option<()>; 2],
    pair: Pair,
    all: Vec<Kind>,
    map: BTreeMap<u8, u16>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, Inner);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Inner(i32);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(u32),
    Tuple(u8, i8),
    Struct { a: u64 },
}

#[test]
fn postcard_writes_what_its_crate_writes() {
    let every = Every {
        signed: (-1, i16::MIN, 150, -70_000, i128::MIN),
        unsigned: (255, 128, 16_384, u64::MAX, u128::MAX),
        floats: [-0.0, f64::NEG_INFINITY, 0.1],
        few: 0.1,
        good: true,
        letter: 'é',
        text: "a \0 b".to_owned(),
        maybe: [None, Some(())],
        pair: Pair(1, Inner(-2)),
        all: vec![
            Kind::Unit,
            Kind::New(300),
            Kind::Tuple(1, -1),
            Kind::Struct { a: 5 },
        ],
        map: (0..200).map(|n| (n, 3)).collect(),
    };
    let bytes = saved::<Postcard<Every>>(&every).unwrap();
    assert_eq!(bytes, postcard::to_allocvec(&every).unwrap());
    assert_eq!(loaded::<Postcard<Every>>(&bytes), every);
}

/// A struct whose second field has the keys of another.
#[derive(Serialize, Deserialize)]
struct Flat {
    a: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Serialize, Deserialize)]
struct Skipped {
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    items: Vec<u8>,
}

#[test]
fn what_has_no_order_or_no_form_is_refused() {
    for size in [2, 3, 5000] {
        let set: HashSet<u32> = (0..size).collect();
        let error = saved::<Postcard<HashSet<u32>>>(&set).unwrap_err();
        assert!(error.contains("`BTreeSet` instead of `HashSet`"), "{error}");
        let set = BTreeMap::from([("set".to_owned(), set)]);
        let error = saved::<Toml<BTreeMap<String, HashSet<u32>>>>(&set).unwrap_err();
        assert!(error.contains("`BTreeSet` instead of `HashSet`"), "{error}");
    }
    let sorted: BTreeSet<u32> = (0..300).collect();
    assert!(saved::<Postcard<BTreeSet<u32>>>(&sorted).is_ok());
    let rest = BTreeMap::from([("b".to_owned(), 1)]);
    let flat = Flat { a: 1, rest };
    assert!(saved::<Postcard<Flat>>(&flat).is_err());
    let text = String::from_utf8(saved::<Toml<Flat>>(&flat).unwrap()).unwrap();
    assert_eq!(text, "a = 1\nb = 1\n");
    let none = Skipped { items: vec![] };
    assert!(saved::<Postcard<Skipped>>(&none).is_err());
    assert!(saved::<Toml<Skipped>>(&none).is_ok());
    let error = saved::<Toml<Vec<u8>>>(&vec![1]).unwrap_err();
    assert!(error.contains("save a struct, or a map"), "{error}");
    let numbers = BTreeMap::from([((1, 2), 3)]);
    assert!(saved::<Toml<BTreeMap<(u8, u8), u8>>>(&numbers).is_err());
    let (_folder, path) = place();
    assert!(<Toml<Vec<u8>> as Format>::write(&vec![1], &path).is_err());
    assert!(!path.exists(), "nothing is written of what is refused");
}

#[test]
fn what_is_damaged_is_not_loaded() {
    let (_folder, path) = place();
    let bytes = saved::<Postcard<Vec<u64>>>(&vec![1, 2, 3]).unwrap();
    fs::write(&path, &bytes[..3]).unwrap();
    assert!(<Postcard<Vec<u64>> as Format>::read(&path).is_err());
    fs::write(&path, [&*bytes, b"x"].concat()).unwrap();
    let error = <Postcard<Vec<u64>> as Format>::read(&path).unwrap_err();
    assert_eq!(error.to_string(), "1 bytes follow the value");
    fs::write(&path, "a = \n").unwrap();
    assert!(<Toml<BTreeMap<String, u8>> as Format>::read(&path).is_err());
    let text = "word ".repeat(1000);
    let bytes = saved::<Zstd<Text>>(&text).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    assert!(
        <Zstd<Text> as Format>::read(&path).is_err(),
        "it is cut short"
    );
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();
    assert!(
        <Zstd<Text> as Format>::read(&path).is_err(),
        "its checksum is another"
    );
    let error = saved::<Zstd<Json<f64>>>(&f64::NAN).unwrap_err();
    assert!(error.contains("NaN"), "{error}");
    let twice = saved::<Gz<Zstd<Text>>>(&text).unwrap();
    assert_eq!(loaded::<Gz<Zstd<Text>>>(&twice), text);
}
