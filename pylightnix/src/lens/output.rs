//! Artifacts that a running stage has to make.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::Promise;
use super::format::parts::Writing;
use super::format::{Format, Opaque, Parts};
use crate::config::Name;
use crate::{Error, ErrorKind, Result};

/// An artifact that a running stage has to make, in format `F`. `Tag` identifies the promise within its config.
pub struct Output<F = Opaque, Tag = ()> {
    stage: Name,
    field: &'static str,
    path: PathBuf,
    kind: PhantomData<fn() -> (F, Tag)>,
}

/// A proof that the promise `Tag` was kept. The fields of an outputs struct have this type.
#[must_use = "it goes into the outputs struct that the stage returns"]
pub struct Written<Tag>(PhantomData<fn() -> Tag>);

impl<Tag> fmt::Debug for Written<Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl<F, Tag> Output<F, Tag> {
    pub(crate) fn new(stage: &Name, out: &Path, promise: &'static Promise) -> Self {
        let path = out.join(promise.path);
        Output {
            stage: stage.clone(),
            field: promise.field,
            path,
            kind: PhantomData,
        }
    }

    /// Returns the path to write the artifact to. The parent folder exists.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the artifact.
    ///
    /// # Errors
    /// The format or the file system reports an error. The error names the stage, the artifact and the path.
    pub fn save(&self, value: &F::View) -> Result<Written<Tag>>
    where
        F: Format,
    {
        F::write(value, &self.path)
            .map_err(|cause| self.fault("save", &self.path).because_refused(cause))?;
        Ok(Written(PhantomData))
    }

    /// Confirms that the stage wrote the artifact to [`path`](Self::path) itself.
    ///
    /// # Errors
    /// The path does not exist.
    pub fn written(&self) -> Result<Written<Tag>> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(_) => Ok(Written(PhantomData)),
            Err(error) => Err(self
                .fault("find", &self.path)
                .because(error)
                .with_help("write the file or folder at `path()` before calling `written()`")),
        }
    }

    fn fault(&self, verb: &str, path: &Path) -> Error {
        let Output { stage, field, .. } = self;
        Error::new(
            ErrorKind::Artifact,
            format!(
                "cannot {verb} artifact `{field}` of stage `{stage}` at {}",
                path.display()
            ),
        )
        .at(path)
    }
}

impl<F: Format, Tag> Output<Parts<F>, Tag> {
    /// Begins the folder, into which items are saved one at a time.
    ///
    /// # Errors
    /// The folder is there already, or cannot be made.
    pub fn begin(&self) -> Result<PartsWriter<F, Tag>> {
        let items = Writing::begin(&self.path)
            .map_err(|cause| self.fault("save", &self.path).because_refused(cause))?;
        Ok(PartsWriter {
            output: self.clone(),
            items,
        })
    }
}

/// An artifact in the format [`Parts`] that is being written, by [`Output::begin`].
pub struct PartsWriter<F, Tag> {
    output: Output<Parts<F>, Tag>,
    items: Writing<F>,
}

impl<F: Format, Tag> PartsWriter<F, Tag> {
    /// Saves the next item.
    ///
    /// # Errors
    /// The format or the file system reports an error, or there are a hundred million items. The error names the stage, the artifact and the item.
    pub fn add(&mut self, item: &F::View) -> Result<()> {
        let Output { path, .. } = &self.output;
        let fault = |cause| self.output.fault("save", path).because_refused(cause);
        self.items.add(item).map_err(fault)
    }

    /// Returns the number of items so far.
    pub fn count(&self) -> usize {
        self.items.count()
    }

    /// Ends the folder.
    pub fn finish(self) -> Written<Tag> {
        Written(PhantomData)
    }
}

impl<F, Tag> fmt::Debug for PartsWriter<F, Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartsWriter({:?})", self.output.path)
    }
}

impl<F, Tag> Clone for Output<F, Tag> {
    fn clone(&self) -> Self {
        let Output {
            stage,
            field,
            path,
            kind,
        } = self;
        Output {
            stage: stage.clone(),
            field,
            path: path.clone(),
            kind: *kind,
        }
    }
}

impl<F, Tag> fmt::Debug for Output<F, Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({:?})", self.path)
    }
}

impl<F, Tag> AsRef<Path> for Output<F, Tag> {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}
