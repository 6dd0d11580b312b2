//! Where a remote keeps its objects.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;

use crate::Result;

/// An object of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The name, as `index/list`.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
}

impl Object {
    /// Describes an object.
    pub fn new(name: impl Into<String>, size: u64) -> Self {
        let name = name.into();
        Object { name, size }
    }
}

/// The bytes of an object, as they arrive.
pub type ObjectReader = Box<dyn Read + Send>;

/// A place for objects with names like paths: a folder, a web server, an object store. Each call of a method is one request, or one
/// for each thousand objects of a list.
///
/// Nothing rests on more than this: an object that was put can be read under its name by somebody later, whole or not at all.
/// Lists may lack what is new.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Returns the address, without secrets.
    fn url(&self) -> String;

    /// Returns the objects whose names begin with `folder` and `/`; `None` if objects cannot be listed there. Empty if there are
    /// none.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses.
    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>>;

    /// Opens an object, or these bytes of it; `None` if there is no such object. The reader may end early if the object does.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses.
    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>>;

    /// Returns the size of an object; `None` if there is no such object.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses.
    fn size(&self, object: &str) -> Result<Option<u64>>;

    /// Puts an object, whole or not at all. Replaces one of this name.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses; it cannot be written.
    fn put(&self, object: &str, bytes: &[u8]) -> Result<()>;

    /// Puts the content of a file, as [`put`](Self::put) does.
    ///
    /// # Errors
    /// As [`put`](Self::put); the file cannot be read.
    fn put_file(&self, object: &str, file: &Path) -> Result<()>;

    /// Puts the content of a file, as [`put_file`](Self::put_file) does, and goes on where an earlier attempt broke off. Returns the
    /// number of requests. What it needs for that may be kept in the file `notes`, which may be lost, or be out of date.
    ///
    /// # Errors
    /// As [`put_file`](Self::put_file).
    fn resume_file(&self, object: &str, file: &Path, notes: &Path) -> Result<u64> {
        let _ = notes;
        self.put_file(object, file).map(|()| 1)
    }

    /// Deletes an object. It need not exist.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses; it cannot be written.
    fn delete(&self, object: &str) -> Result<()>;

    /// Returns the time by the clock of the place.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses; it does not tell.
    fn time(&self) -> Result<Timestamp>;
}
