//! Folders of many items.

use proptest::prelude::*;
use pylightnix::lens::format::{Parts, Zstd};
use pylightnix::prelude::*;
use pylightnix::{BoxError, Error};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use tests::runs::{assert_says, scratch};

use super::tables::place;

thread_local! {
    /// How many numbers were loaded.
    static LOADED: Cell<usize> = const { Cell::new(0) };
}

/// Numbers that count how often they are loaded.
enum Counting {}

impl Format for Counting {
    type Value = u64;
    type View = u64;

    fn read(path: &Path) -> Result<u64, BoxError> {
        LOADED.set(LOADED.get() + 1);
        Ok(fs::read_to_string(path)?.parse()?)
    }

    fn write(value: &u64, path: &Path) -> Result<(), BoxError> {
        Ok(fs::write(path, value.to_string())?)
    }
}

#[derive(Config)]
struct Many {
    #[selfref("numbers")]
    numbers: SelfRef<Parts<Counting>>,
    #[selfref("texts")]
    texts: SelfRef<Parts<Zstd<Text>>>,
    #[selfref("none")]
    none: SelfRef<Parts<Text>>,
}

#[stage]
fn many(b: &Build<Many>) -> Result<ManyOutputs> {
    let mut numbers = b.numbers.begin()?;
    for number in 0..1001 {
        assert_eq!(numbers.count(), number as usize);
        numbers.add(&(number * 7))?;
    }
    let texts = ["a".to_owned(), "b".to_owned()];
    Ok(ManyOutputs {
        numbers: numbers.finish(),
        texts: b.texts.save(&texts)?,
        none: b.none.begin()?.finish(),
    })
}

#[test]
fn items_are_saved_and_loaded_one_at_a_time_in_order() -> Result<()> {
    let (_folder, store) = scratch();
    let made = store.realize(&instantiate(Many::new())?)?;
    LOADED.set(0);
    let numbers = made.numbers.load()?;
    assert_eq!((numbers.len(), LOADED.get()), (1001, 0));
    let mut items = numbers.iter();
    assert_eq!(items.size_hint(), (1001, Some(1001)));
    assert_eq!(items.next().unwrap()?, 0);
    assert_eq!(items.next().unwrap()?, 7);
    assert_eq!(LOADED.get(), 2);
    assert_eq!(numbers.get(1000)?, 7000);
    let all: Vec<u64> = numbers.iter().collect::<std::result::Result<_, Error>>()?;
    assert!(all.iter().copied().eq((0..1001).map(|n| n * 7)));
    assert_says(
        &numbers.get(1001).unwrap_err(),
        &["there is no item 1001 in", "which has 1001"],
    );
    let texts: Vec<String> = made
        .texts
        .load()?
        .iter()
        .collect::<std::result::Result<_, Error>>()?;
    assert_eq!(texts, ["a", "b"]);
    assert!(made.none.load()?.is_empty());
    Ok(())
}

#[test]
fn a_folder_with_a_gap_or_something_else_is_refused() {
    let (_folder, path) = place();
    <Parts<Json<u8>> as Format>::write(&[1, 2, 3], &path).unwrap();
    let fault = || {
        <Parts<Json<u8>> as Format>::read(&path)
            .unwrap_err()
            .to_string()
    };
    fs::write(path.join("00000003"), "no number").unwrap();
    let items = <Parts<Json<u8>> as Format>::read(&path).unwrap();
    assert_says(
        &items.get(3).unwrap_err(),
        &["cannot load item 3 from", "00000003", "expected"],
    );
    fs::remove_file(path.join("00000001")).unwrap();
    assert_eq!(fault(), "item 1 of 4 is missing: 00000001");
    fs::write(path.join("00000001"), "2").unwrap();
    for other in ["3", "000000003", "0000000x", "+0000003", ".hidden"] {
        fs::write(path.join(other), "3").unwrap();
        assert!(
            fault().contains(&format!("{other:?} in it is not the name")),
            "{other}"
        );
        fs::remove_file(path.join(other)).unwrap();
    }
    assert!(<Parts<Json<u8>> as Format>::read(&path).is_ok());
    let again = <Parts<Json<u8>> as Format>::write(&[1], &path);
    assert!(again.is_err(), "items of before would stay");
}

/// An item that cannot be saved.
#[derive(Config)]
struct Broken {
    #[selfref("numbers")]
    numbers: SelfRef<Parts<Json<f64>>>,
}

#[stage]
fn broken(b: &Build<Broken>) -> Result<BrokenOutputs> {
    let mut numbers = b.numbers.begin()?;
    numbers.add(&1.0)?;
    numbers.add(&f64::NAN)?;
    Ok(BrokenOutputs {
        numbers: numbers.finish(),
    })
}

#[test]
fn an_item_that_is_refused_is_named() -> Result<()> {
    let (_folder, store) = scratch();
    let error = store.realize(&instantiate(Broken::new())?).unwrap_err();
    assert_says(
        &error,
        &[
            "cannot save artifact `numbers` of stage `broken`",
            "item 1: the value is NaN",
        ],
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_in_parts_comes_back(texts in prop::collection::vec(any::<String>(), 0..12)) {
        let (_folder, path) = place();
        <Parts<Text> as Format>::write(&texts, &path).unwrap();
        let read = <Parts<Text> as Format>::read(&path).unwrap();
        prop_assert_eq!(read.iter().collect::<std::result::Result<Vec<_>, Error>>().unwrap(), texts);
    }
}
