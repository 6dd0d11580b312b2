//! Artifacts of realizations.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::format::{Format, Opaque};
use super::notes::{Look, NotedPlace};
use crate::config::RRefId;
use crate::plan::matcher::OfTheLibrary;
use crate::store::Realization;
use crate::{BoxError, Error, ErrorKind, Result};

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
    /// The place in a running stage.
    pub(super) place: Option<NotedPlace>,
    /// The realization, if it was a stub when it was chosen: its files may have to be fetched.
    pub(super) stub: Option<Realization>,
}

impl ArtifactHome {
    /// Fetches the files, unless they are here.
    pub(super) fn fetch(&self) -> Result<()> {
        self.stub.as_ref().map_or(Ok(()), Realization::fetch)
    }

    /// Fetches the files before a path to them is given away. In a stage a failure ends the stage; elsewhere the path leads nowhere, which
    /// shows to who reads there.
    pub(super) fn fetch_for_path(&self) {
        if let Err(error) = self.fetch()
            && self.place.is_some()
        {
            resume_unwind(Box::new(error));
        }
    }

    fn look(&self, look: Look<'_>) {
        if let Some(place) = &self.place {
            place.look(look);
        }
    }

    /// Notes that the artifact at `path` was looked at, and nothing else.
    fn look_at_artifact(&self, path: &Path) {
        if let Some(place) = &self.place {
            place.look(self.name_of(path).map_or(Look::All, Look::Artifact));
        }
    }

    /// Notes that `path` was given away. It leads to all that lies beside the artifact, unless the stage says that it does not go
    /// there.
    fn look_at_path(&self, path: &Path) {
        match &self.place {
            Some(place) if place.paths_are_artifacts() => {
                place.look(self.name_of(path).map_or(Look::All, Look::Path));
            }
            _ => self.look(Look::All),
        }
    }

    /// Returns the path relative to the folder of artifacts, as the manifest has it; `None` for one that may lead elsewhere.
    fn name_of(&self, path: &Path) -> Option<String> {
        let parts = path.strip_prefix(&self.out).ok()?.components();
        let names = parts.map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let names = names.collect::<Option<Vec<_>>>()?;
        (!names.is_empty()).then(|| names.join("/"))
    }
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

    /// Returns the path of the artifact, which is read-only. If its files are not here, they are fetched; in a running stage the stage fails
    /// if they cannot be fetched, and elsewhere the path leads nowhere then. [`fetch`](Self::fetch) tells beforehand.
    pub fn path(&self) -> &Path {
        self.home.look_at_path(&self.path);
        self.home.fetch_for_path();
        &self.path
    }

    /// Fetches the files of the realization that the artifact belongs to, if the store has only its records: see
    /// [`Store::fetch`](crate::store::Store::fetch).
    ///
    /// # Errors
    /// As [`Store::fetch`](crate::store::Store::fetch).
    pub fn fetch(&self) -> Result<()> {
        self.home.fetch()
    }

    /// Returns the realization that the artifact belongs to.
    pub fn rref(&self) -> &RRefId {
        self.home.look(Look::Reference);
        &self.home.rref
    }

    /// Reads the artifact. If its files are not here, they are fetched.
    ///
    /// # Errors
    /// The file is missing, cannot be fetched or read, or is not valid in its format. The error names the stage, the artifact and the
    /// path.
    pub fn load(&self) -> Result<F::Value>
    where
        F: Format,
    {
        match F::reads_one_file(OfTheLibrary) {
            true => self.home.look_at_artifact(&self.path),
            false => self.home.look_at_path(&self.path),
        }
        let fetched = self.home.fetch().map_err(BoxError::from);
        let read = fetched.and_then(|()| F::read(&self.path));
        read.map_err(|cause| {
            // The error names the realization, and the stage may keep its text.
            self.home.look(Look::Reference);
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
        self.home.look_at_path(&self.path);
        write!(f, "Artifact({:?})", self.path)
    }
}

impl<F> AsRef<Path> for Artifact<F> {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
