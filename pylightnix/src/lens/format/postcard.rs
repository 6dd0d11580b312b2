//! Values as postcard files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use super::canonical::Canonical;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular;

/// A `T` in the binary format of the crate [postcard](https://docs.rs/postcard) (feature `postcard`), which is small and fast to read, and needs the type
/// `T` to be read: another order of its fields is another format.
///
/// Equal values are equal files: maps are written sorted by the bytes of their keys, so that a `HashMap` has one file whatever its order. Floats keep
/// all their bits, NaN too. Saving refuses what has no fixed order, as a `HashSet` has none, and values that would be read as something else: a
/// field that serde skips, a flattened struct.
///
/// ```standalone_crate
/// use pylightnix::lens::format::Postcard;
/// use pylightnix::prelude::*;
/// use std::collections::HashMap;
///
/// #[derive(Config)]
/// struct Count {
///     #[selfref("counts.postcard")]
///     counts: SelfRef<Postcard<HashMap<String, u64>>>,
/// }
///
/// #[stage]
/// fn count(b: &Build<Count>) -> Result<CountOutputs> {
///     let mut counts = HashMap::new();
///     for word in "the cat and the dog".split(' ') {
///         *counts.entry(word.to_owned()).or_default() += 1;
///     }
///     Ok(CountOutputs { counts: b.counts.save(&counts)? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let count = store.realize(&instantiate(Count::new())?)?;
/// assert_eq!(count.counts.load()?["the"], 2);
/// assert_eq!(std::fs::read(count.counts.path())?, b"\x04\x03and\x01\x03cat\x01\x03dog\x01\x03the\x02");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Postcard<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Postcard<T> {
    type Value = T;
    type View = T;

    fn read(path: &Path) -> Result<T, BoxError> {
        value(&regular::read(path)?)
    }

    fn write(value: &T, path: &Path) -> Result<(), BoxError> {
        let written = Canonical::of(value)?;
        written.expect(|| self::value::<T>(&written.bytes))?;
        Ok(fs::write(path, written.bytes)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BoxError> {
    match ::postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(format!("{} bytes follow the value", rest.len()).into()),
    }
}
