//! Named arrays in one file.

use ndarray::{Array1, Array2, ArrayD, array};
use proptest::prelude::*;
use pylightnix::lens::format::{AnyArray, Npz, NpzCompressed};
use pylightnix::prelude::*;
use std::collections::BTreeMap;
use std::fs;

use super::tables::{loaded, place, saved};
use tests::runs::assert_says;

type Arrays = BTreeMap<String, AnyArray>;

fn array_of_any() -> impl Strategy<Value = AnyArray> {
    let numbers = prop::collection::vec(any::<i64>(), 0..6);
    (numbers, 0..11_u8).prop_map(|(numbers, kind)| {
        let numbers = Array1::from(numbers);
        match kind {
            0 => numbers.mapv(|n| n as f64 / 3.0).into(),
            1 => numbers.mapv(|n| n as f32 / 3.0).into(),
            2 => numbers.into(),
            3 => numbers.mapv(|n| n as i32).into(),
            4 => numbers.mapv(|n| n as i16).into(),
            5 => numbers.mapv(|n| n as i8).into(),
            6 => numbers.mapv(|n| n as u64).into(),
            7 => numbers.mapv(|n| n as u32).into(),
            8 => numbers.mapv(|n| n as u16).into(),
            9 => numbers.mapv(|n| n as u8).into(),
            _ => numbers.mapv(|n| n > 0).insert_axis(ndarray::Axis(0)).into(),
        }
    })
}

fn is_fit(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn named_arrays_come_back_or_are_refused(
        arrays in prop::collection::btree_map("[a-z./é]{0,4}|\\PC{0,4}", array_of_any(), 0..6)
    ) {
        let arrays: Arrays = arrays;
        let fits = arrays.keys().all(|name| is_fit(name));
        match (saved::<Npz>(&arrays), saved::<NpzCompressed>(&arrays)) {
            (Ok(stored), Ok(deflated)) => {
                prop_assert!(fits);
                prop_assert_eq!(&loaded::<Npz>(&stored), &arrays);
                prop_assert_eq!(&loaded::<Npz>(&deflated), &arrays);
                prop_assert_eq!(loaded::<NpzCompressed>(&stored), arrays.clone());
                prop_assert_eq!(saved::<Npz>(&arrays).unwrap(), stored);
            }
            (Err(error), Err(_)) => prop_assert!(!fits, "{}", error),
            _ => prop_assert!(false, "one of them refuses it"),
        }
    }
}

#[test]
fn an_array_is_asked_for_by_its_type() {
    let any = AnyArray::from(array![[1_i32, 2], [3, 4]]);
    assert_eq!((any.element(), any.shape()), ("i32", &[2, 2][..]));
    let back: Array2<i32> = any.clone().try_into().unwrap();
    assert_eq!(back, array![[1, 2], [3, 4]]);
    let dynamic: ArrayD<i32> = any.clone().try_into().unwrap();
    assert_eq!(dynamic.shape(), [2, 2]);
    let error = Array2::<i64>::try_from(any.clone()).unwrap_err();
    assert_says(
        &error,
        &["an array of `i32` with 2 axes is not the array of `i64`"],
    );
    assert!(Array1::<i32>::try_from(any).is_err());
}

#[test]
fn what_is_no_archive_of_arrays_is_not_loaded() {
    let (_folder, path) = place();
    let arrays: Arrays = [("a".to_owned(), array![1.0, 2.0].into())].into();
    let bytes = saved::<Npz>(&arrays).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(<Npz as Format>::read(&path).is_err());
    let mut other = bytes.clone();
    let at = other
        .windows(8)
        .position(|eight| eight == 2.0_f64.to_le_bytes());
    other[at.unwrap()] ^= 1;
    fs::write(&path, other).unwrap();
    let error = <Npz as Format>::read(&path).unwrap_err();
    assert!(error.to_string().contains("hecksum"), "{error}");
    let name = "no/name".to_owned();
    let error = saved::<Npz>(&[(name, array![1.0].into())].into()).unwrap_err();
    assert!(error.contains("cannot be named \"no/name\""), "{error}");
}
