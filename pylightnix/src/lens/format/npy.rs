//! Arrays as NumPy's `.npy` files.

use ndarray::{Array, ArrayRef, Dimension, IxDyn};
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use std::fs::File;
use std::io::{BufReader, BufWriter};
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
/// arrays give equal files, whatever their layout in memory.
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
        // Dropping a `BufWriter` ignores the error of the last write.
        file.into_inner()?;
        Ok(())
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}
