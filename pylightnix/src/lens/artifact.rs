//! Artifacts of realizations.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Format, Opaque};
use crate::config::RRefId;
use crate::{Error, ErrorKind, Result};

/// An artifact of a realization, in format `F`.
pub struct Artifact<F = Opaque> {
    home: Arc<ArtifactHome>,
    field: Cow<'static, str>,
    path: PathBuf,
    format: PhantomData<fn() -> F>,
}

/// The realization that artifacts belong to.
pub(crate) struct ArtifactHome {
    pub(super) rref: RRefId,
    pub(super) out: PathBuf,
}

impl<F> Artifact<F> {
    pub(crate) fn new(
        home: Arc<ArtifactHome>,
        field: impl Into<Cow<'static, str>>,
        path: &str,
    ) -> Self {
        let path = home.out.join(path);
        Artifact {
            home,
            field: field.into(),
            path,
            format: PhantomData,
        }
    }

    /// Returns the path of the artifact, which is read-only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the realization that the artifact belongs to.
    pub fn rref(&self) -> &RRefId {
        &self.home.rref
    }

    /// Reads the artifact.
    ///
    /// # Errors
    /// The file is missing, cannot be read, or is not valid in its format. The error names the stage, the artifact and the
    /// path.
    pub fn load(&self) -> Result<F::Value>
    where
        F: Format,
    {
        F::read(&self.path).map_err(|cause| {
            let name = self.home.rref.name();
            let field = &self.field;
            Error::new(
                ErrorKind::Artifact,
                format!("cannot load artifact `{field}` of stage `{name}` from {}", self.path.display()),
            )
            .because(cause)
            .with_help(format!(
                "if the file is damaged, check the store; if its format changed, realize the stage again\n(it belongs to {})",
                self.home.rref
            ))
            .at(&self.path)
        })
    }
}

impl<F> Clone for Artifact<F> {
    fn clone(&self) -> Self {
        let Artifact {
            home,
            field,
            path,
            format,
        } = self;
        Artifact {
            home: home.clone(),
            field: field.clone(),
            path: path.clone(),
            format: *format,
        }
    }
}

impl<F> fmt::Debug for Artifact<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifact({:?})", self.path)
    }
}

impl<F> AsRef<Path> for Artifact<F> {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}
