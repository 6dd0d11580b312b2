//! Folders of many items, of which one is in memory at a time.

use std::borrow::Borrow;
use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::Format;
use crate::plan::matcher::OfTheLibrary;
use crate::{BoxError, Error, ErrorKind, Result};

/// The number of digits in the name of an item, so that the order of names is that of the items.
const DIGITS: usize = 8;
/// The number of items that have names.
const MOST: usize = 10_usize.pow(DIGITS as u32);

/// A folder of items in the format `F`, for results that are larger than memory: the files `00000000`, `00000001` and so on.
///
/// A stage begins it by [`Output::begin`](crate::lens::Output::begin) and saves one item at a time. It loads as a [`PartsReader`], which loads one item at
/// a time; a folder in which an item is missing, or that has something else in it, is refused. Equal items are equal folders if `F` is deterministic. A few items
/// may be saved at once, as a slice.
///
/// ```standalone_crate
/// use pylightnix::lens::format::Parts;
/// use pylightnix::prelude::*;
///
/// #[derive(Config)]
/// struct Frames {
///     #[selfref("frames")]
///     out: SelfRef<Parts<Json<Vec<f64>>>>,
/// }
///
/// #[stage]
/// fn frames(b: &Build<Frames>) -> Result<FramesOutputs> {
///     let mut frames = b.out.begin()?;
///     for time in 0..3 {
///         frames.add(&vec![f64::from(time); 4])?;
///     }
///     Ok(FramesOutputs { out: frames.finish() })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let frames = store.realize(&instantiate(Frames::new())?)?;
/// let mut sum = 0.0;
/// for frame in &frames.out.load()? {
///     sum += frame?.iter().sum::<f64>();
/// }
/// assert_eq!(sum, 12.0);
/// assert_eq!(frames.out.load()?.get(2)?, [2.0; 4]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Parts<F>(PhantomData<fn() -> F>);

impl<F> Format for Parts<F>
where
    F: Format,
    F::Value: Borrow<F::View>,
{
    type Value = PartsReader<F>;
    type View = [F::Value];

    fn read(path: &Path) -> Result<PartsReader<F>, BoxError> {
        PartsReader::open(path)
    }

    fn write(value: &[F::Value], path: &Path) -> Result<(), BoxError> {
        let mut to = Writing::<F>::begin(path)?;
        value.iter().try_for_each(|item| to.add(item.borrow()))
    }

    fn reads_one_file(library: OfTheLibrary) -> bool {
        F::reads_one_file(library)
    }
}

/// A folder of items that is being written.
pub(in crate::lens) struct Writing<F> {
    folder: PathBuf,
    count: usize,
    format: PhantomData<fn() -> F>,
}

impl<F: Format> Writing<F> {
    pub(in crate::lens) fn begin(path: &Path) -> Result<Self, BoxError> {
        fs::create_dir(path)?;
        Ok(Writing {
            folder: path.to_owned(),
            count: 0,
            format: PhantomData,
        })
    }

    pub(in crate::lens) fn add(&mut self, item: &F::View) -> Result<(), BoxError> {
        if self.count == MOST {
            return Err(format!("more than {MOST} items have no names").into());
        }
        F::write(item, &named(&self.folder, self.count))
            .map_err(|cause| format!("item {}: {cause}", self.count))?;
        self.count += 1;
        Ok(())
    }

    pub(in crate::lens) fn count(&self) -> usize {
        self.count
    }
}

/// The items of [`Parts`], loaded one at a time.
pub struct PartsReader<F> {
    folder: PathBuf,
    count: usize,
    format: PhantomData<fn() -> F>,
}

impl<F: Format> PartsReader<F> {
    fn open(path: &Path) -> Result<Self, BoxError> {
        let mut count = 0;
        let mut last = None;
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(number_of).ok_or_else(|| {
                format!("{name:?} in it is not the name of an item, as `00000000`")
            })?;
            count += 1;
            last = last.max(Some(number));
        }
        // Names are different, so that nothing is missing if there are as many as the last one says.
        let needed = last.map_or(0, |last| last + 1);
        if count < needed {
            let missing = (0..needed).find(|number| !named(path, *number).exists());
            let missing = missing.unwrap_or_default();
            return Err(
                format!("item {missing} of {needed} is missing: {missing:0DIGITS$}").into(),
            );
        }
        Ok(PartsReader {
            folder: path.to_owned(),
            count,
            format: PhantomData,
        })
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Loads an item, by its number from 0.
    ///
    /// # Errors
    /// There is no such item, or it cannot be read in the format `F`. The error names the file.
    pub fn get(&self, number: usize) -> Result<F::Value> {
        let path = named(&self.folder, number);
        if number >= self.count {
            let message = format!(
                "there is no item {number} in {}, which has {}",
                self.folder.display(),
                self.count
            );
            return Err(Error::new(ErrorKind::Artifact, message)
                .at(&self.folder)
                .with_help("numbers begin with 0"));
        }
        F::read(&path).map_err(|cause| {
            let message = format!("cannot load item {number} from {}", path.display());
            Error::new(ErrorKind::Artifact, message)
                .because(cause)
                .at(&path)
                .with_help("if the file is damaged, check the store; if its format changed, realize the stage again")
        })
    }

    /// Iterates over the items, each of which is loaded when it is asked for.
    pub fn iter(&self) -> PartsIter<'_, F> {
        PartsIter {
            reader: self,
            next: 0,
        }
    }
}

impl<F> fmt::Debug for PartsReader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartsReader({} in {:?})", self.count, self.folder)
    }
}

impl<'a, F: Format> IntoIterator for &'a PartsReader<F> {
    type Item = Result<F::Value>;
    type IntoIter = PartsIter<'a, F>;

    fn into_iter(self) -> PartsIter<'a, F> {
        self.iter()
    }
}

/// An iterator over the items of [`Parts`].
pub struct PartsIter<'a, F> {
    reader: &'a PartsReader<F>,
    next: usize,
}

impl<F: Format> Iterator for PartsIter<'_, F> {
    type Item = Result<F::Value>;

    fn next(&mut self) -> Option<Result<F::Value>> {
        if self.next >= self.reader.count {
            return None;
        }
        let item = self.reader.get(self.next);
        self.next += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.reader.count.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<F> fmt::Debug for PartsIter<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartsIter({} of {:?})", self.next, self.reader)
    }
}

fn named(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:0DIGITS$}"))
}

fn number_of(name: &str) -> Option<usize> {
    let fits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| name.parse().ok()).flatten()
}
