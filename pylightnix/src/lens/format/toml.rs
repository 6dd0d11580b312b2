//! Values as TOML files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use ::toml::{Table, Value};

use super::Format;
use super::canonical::Canonical;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular;

/// A `T` in a TOML file (feature `toml`), for people to read and other programs to take as settings. `T` is a struct or a map.
///
/// Equal values are equal files: the keys of structs and maps are sorted, whatever the order of a `HashMap`. `None` in a field is no line.
///
/// Saving refuses what TOML has no form for, as `None` in a list, a map whose keys are not texts, and numbers above `i64::MAX`; what has no
/// fixed order, as a `HashSet`; and values that would be read as something else, as `Some(None)` and a NaN with bits of its own.
///
/// ```standalone_crate
/// use pylightnix::lens::format::Toml;
/// use pylightnix::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Settings {
///     rate: f64,
///     layers: Vec<u32>,
///     note: Option<String>,
/// }
///
/// #[derive(Config)]
/// struct Tune {
///     #[selfref("best.toml")]
///     best: SelfRef<Toml<Settings>>,
/// }
///
/// #[stage]
/// fn tune(b: &Build<Tune>) -> Result<TuneOutputs> {
///     let best = Settings { rate: 0.5, layers: vec![64, 32], note: None };
///     Ok(TuneOutputs { best: b.best.save(&best)? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let tune = store.realize(&instantiate(Tune::new())?)?;
/// assert_eq!(std::fs::read_to_string(tune.best.path())?, "layers = [64, 32]\nrate = 0.5\n");
/// assert_eq!(tune.best.load()?.layers, [64, 32]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Toml<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Toml<T> {
    type Value = T;
    type View = T;

    fn read(path: &Path) -> Result<T, BoxError> {
        Ok(::toml::from_str(&regular::read_to_string(path)?)?)
    }

    fn write(value: &T, path: &Path) -> Result<(), BoxError> {
        let Value::Table(table) = sorted(Value::try_from(value)?) else {
            return Err("a TOML file has names for all that is in it: save a struct, or a map with texts as keys".into());
        };
        let text = ::toml::to_string(&table)?;
        Canonical::of(value)?.expect(|| Ok(::toml::from_str::<T>(&text)?))?;
        Ok(fs::write(path, text)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

/// Sorts the keys: a program may have the crate `toml` with its feature by which tables keep the order that they were made in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, sorted(value)));
            let entries: BTreeMap<String, Value> = entries.collect();
            Value::Table(entries.into_iter().collect::<Table>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        value => value,
    }
}
