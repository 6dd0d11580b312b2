//! Arrays as NumPy's `.npy` files.

use ndarray::{Array, ArrayRef, Dimension, IxDyn};
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular::open_regular;

/// An array of `T` in [NumPy's format][npy] (feature `npy`), with a dynamic number of dimensions, or a fixed one
/// (`Npy<f64, Ix2>`).
///
/// It loads an `Array<T, D>` and saves any array or view of that type. Arrays are written in row-major order, so that equal
/// arrays give equal files, whatever their layout in memory. The bytes are those of `numpy.save` for an array in that order.
///
/// [npy]: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#[derive(Clone, Copy, Debug)]
pub struct Npy<T, D = IxDyn>(PhantomData<fn() -> (T, D)>);

impl<T, D> Format for Npy<T, D>
where
    T: Clone + ReadableElement + WritableElement + 'static,
    D: Dimension + 'static,
{
    type Value = Array<T, D>;
    type View = ArrayRef<T, D>;

    fn read(path: &Path) -> Result<Self::Value, BoxError> {
        Ok(Array::read_npy(BufReader::new(open_regular(path)?.0))?)
    }

    fn write(value: &Self::View, path: &Path) -> Result<(), BoxError> {
        let mut file = BufWriter::new(File::create(path)?);
        write(value, &mut file)?;
        // Dropping a `BufWriter` ignores the error of the last write.
        file.into_inner()?;
        Ok(())
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

/// Writes an array in row-major order.
pub(super) fn write<T, D>(value: &ArrayRef<T, D>, mut to: impl Write) -> Result<(), BoxError>
where
    T: Clone + WritableElement,
    D: Dimension,
{
    let rows = value.as_standard_layout();
    to.write_all(&header(&T::type_descriptor().to_string(), value.shape())?)?;
    T::write_slice(rows.as_slice().unwrap_or_default(), to)?;
    Ok(())
}

/// The number of digits for which NumPy leaves room in the header, so that the first axis may grow.
const GROWS_TO: usize = 21;
/// NumPy makes the length of the header a multiple of this.
const ALIGNED: usize = 64;

/// Returns the header that NumPy writes for an array in row-major order, to the byte. The crate `ndarray-npy` writes an equal one with
/// other bytes.
fn header(descriptor: &str, shape: &[usize]) -> Result<Vec<u8>, BoxError> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': {descriptor}, 'fortran_order': False, 'shape': ({}{comma}), }}",
        sizes.join(", ")
    );
    if let Some(first) = sizes.first() {
        text.extend((first.len()..GROWS_TO).map(|_| ' '));
    }
    let mut bytes = b"\x93NUMPY".to_vec();
    // The version takes two bytes, the length two in the first one, and the text ends with a newline.
    let padded = |before: usize| {
        let length = text.len() + 1;
        length + ALIGNED - (before + length) % ALIGNED
    };
    match u16::try_from(padded(bytes.len() + 4)) {
        Ok(length) => {
            bytes.extend([1, 0]);
            bytes.extend(length.to_le_bytes());
        }
        Err(_) => {
            let length = u32::try_from(padded(bytes.len() + 6))?;
            bytes.extend([2, 0]);
            bytes.extend(length.to_le_bytes());
        }
    }
    bytes.extend(text.as_bytes());
    let spaces = ALIGNED - (bytes.len() + 1) % ALIGNED;
    bytes.resize(bytes.len() + spaces, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}
