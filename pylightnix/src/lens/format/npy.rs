//! Arrays as NumPy's `.npy` files.

use ndarray::{Array, ArrayRef, Dimension, IxDyn};
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::store::regular::open_regular;

/// An array of `T` in NumPy's format (feature `npy`): any shape, or the one that `D` says (`Npy<f64, Ix2>`).
///
/// It loads an `Array<T, D>` and saves any array or view of that type, row after row, so that equal arrays are equal files
/// however they lie in memory. The format is [NumPy's own][npy].
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
        value.as_standard_layout().write_npy(&mut file)?;
        // Dropping a BufWriter would lose the error of the last write.
        file.into_inner()?;
        Ok(())
    }
}
