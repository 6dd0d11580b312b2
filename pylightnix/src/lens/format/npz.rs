//! Named arrays as NumPy's `.npz` files.

use ndarray::{Array, ArrayD, Dimension};
use ndarray_npy::{ReadNpyError, ReadNpyExt as _};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::{Format, npy};
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular::open_regular;
use crate::{BoxError, Error, ErrorKind};

/// Named arrays in one file, as `numpy.savez` writes it (feature `npz`): a ZIP archive of `.npy` files, not compressed.
///
/// It loads and saves a map from names to [`AnyArray`]s; also files of `numpy.savez_compressed`, and of NumPy, whose arrays have types that `AnyArray` has.
/// Equal arrays are equal files: they are in the order of their names, in row-major order, and without times. Names without a letter, or with
/// slashes or control characters, are refused, as programs take them for folders.
///
/// ```standalone_crate
/// use pylightnix::lens::format::{AnyArray, Npz};
/// use pylightnix::ndarray::{Array1, array};
/// use pylightnix::prelude::*;
/// use std::collections::BTreeMap;
///
/// #[derive(Config)]
/// struct Train {
///     #[selfref("weights.npz")]
///     weights: SelfRef<Npz>,
/// }
///
/// #[stage]
/// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
///     let weights: BTreeMap<String, AnyArray> = [
///         ("bias".to_owned(), array![0.5, 0.25].into()),
///         ("mask".to_owned(), array![[true, false], [false, true]].into()),
///     ]
///     .into();
///     Ok(TrainOutputs { weights: b.weights.save(&weights)? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let train = store.realize(&instantiate(Train::new())?)?;
/// let bias: Array1<f64> = train.weights.load()?.remove("bias").expect("saved above").try_into()?;
/// assert_eq!(bias, array![0.5, 0.25]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Npz {}

/// Named arrays as [`Npz`] has them, compressed, as `numpy.savez_compressed` writes it (feature `npz`).
#[derive(Clone, Copy, Debug)]
pub enum NpzCompressed {}

macro_rules! formats {
    ($($format:ident: $method:ident),*) => {$(
        impl Format for $format {
            type Value = BTreeMap<String, AnyArray>;
            type View = BTreeMap<String, AnyArray>;

            fn read(path: &Path) -> Result<Self::Value, BoxError> {
                read(path)
            }

            fn write(value: &Self::View, path: &Path) -> Result<(), BoxError> {
                write(value, path, CompressionMethod::$method)
            }

            fn reads_one_file(_: OfTheLibrary) -> bool {
                true
            }
        }
    )*};
}

formats!(Npz: Stored, NpzCompressed: Deflated);

macro_rules! arrays {
    ($($variant:ident: $type:ty),* $(,)?) => {
        /// An array of one of NumPy's types, with a dynamic number of dimensions.
        ///
        /// It is made from an array by `into()`, and is that array again by `try_into()`, which is an error if the type or the number of dimensions is another.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum AnyArray {
            $(#[doc = concat!("Of `", stringify!($type), "`.")] $variant(ArrayD<$type>),)*
        }

        impl AnyArray {
            /// Returns the name of the type of the elements, in Rust.
            pub fn element(&self) -> &'static str {
                match self {
                    $(AnyArray::$variant(_) => stringify!($type),)*
                }
            }

            /// Returns the length of each axis.
            pub fn shape(&self) -> &[usize] {
                match self {
                    $(AnyArray::$variant(array) => array.shape(),)*
                }
            }

            fn write(&self, to: &mut Vec<u8>) -> Result<(), BoxError> {
                match self {
                    $(AnyArray::$variant(array) => npy::write(array, to),)*
                }
            }

            fn read(bytes: &[u8]) -> Result<Self, BoxError> {
                let mut fault = None;
                $(match ArrayD::<$type>::read_npy(bytes) {
                    Ok(array) => return Ok(AnyArray::$variant(array)),
                    Err(error @ ReadNpyError::WrongDescriptor(_)) => drop(fault.get_or_insert(error)),
                    Err(error) => return Err(error.into()),
                })*
                Err(fault.map_or_else(|| "its type is unknown".into(), BoxError::from))
            }
        }

        $(
            impl<D: Dimension> From<Array<$type, D>> for AnyArray {
                fn from(array: Array<$type, D>) -> Self {
                    AnyArray::$variant(array.into_dyn())
                }
            }

            impl<D: Dimension> TryFrom<AnyArray> for Array<$type, D> {
                type Error = Error;

                fn try_from(array: AnyArray) -> Result<Self, Error> {
                    let is = format!("an array of `{}` with {} axes", array.element(), array.shape().len());
                    let other = || {
                        Error::new(ErrorKind::Artifact, format!("{is} is not the array of `{}` that is asked for", stringify!($type)))
                            .with_help("ask for the type and the number of axes that it has")
                    };
                    match array {
                        AnyArray::$variant(array) => array.into_dimensionality().map_err(|_| other()),
                        _ => Err(other()),
                    }
                }
            }
        )*
    };
}

arrays! {
    F64: f64,
    F32: f32,
    I64: i64,
    I32: i32,
    I16: i16,
    I8: i8,
    U64: u64,
    U32: u32,
    U16: u16,
    U8: u8,
    Bool: bool,
}

/// What NumPy puts behind the name of an array.
const ENDING: &str = ".npy";

fn read(path: &Path) -> Result<BTreeMap<String, AnyArray>, BoxError> {
    let mut from = ZipArchive::new(BufReader::new(open_regular(path)?.0))?;
    let mut arrays = BTreeMap::new();
    for at in 0..from.len() {
        let mut file = from.by_index(at)?;
        let name = file.name()?.into_owned();
        let name = name.strip_suffix(ENDING).unwrap_or(&name).to_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let array = AnyArray::read(&bytes).map_err(|error| format!("array `{name}`: {error}"))?;
        if arrays.insert(name.clone(), array).is_some() {
            return Err(format!("it has two arrays `{name}`").into());
        }
    }
    Ok(arrays)
}

fn write(
    arrays: &BTreeMap<String, AnyArray>,
    path: &Path,
    method: CompressionMethod,
) -> Result<(), BoxError> {
    if let Some(name) = arrays.keys().find(|name| !is_fit(name)) {
        return Err(format!(
            "an array cannot be named {name:?}: give it a name without slashes and control characters"
        )
        .into());
    }
    let mut to = ZipWriter::new(BufWriter::new(File::create(path)?));
    for (name, array) in arrays {
        let mut bytes = Vec::new();
        array.write(&mut bytes)?;
        // Nothing in it is of this machine or this day.
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::DEFAULT)
            .system(System::Unix)
            .unix_permissions(0o600)
            .large_file(u32::try_from(bytes.len()).is_err());
        to.start_file(format!("{name}{ENDING}"), options)?;
        to.write_all(&bytes)?;
    }
    to.finish()?.into_inner()?;
    Ok(())
}

fn is_fit(name: &str) -> bool {
    let unfit = |c: char| c == '/' || c == '\\' || c.is_control();
    !name.is_empty() && !name.contains(unfit)
}
