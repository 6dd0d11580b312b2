//! Artifacts in a plan.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::node::AnyDRef;
use super::revive::{Revived, Wanted};
use crate::config::{DRefId, StoredValue, ValueWriter};
use crate::lens::format::Opaque;
use crate::lens::{Artifact, Cardinality, Chosen, Dependency, One};
use crate::{Error, ErrorKind, Result};

/// An artifact in a plan, in format `F`: the type of a field `dref.out`. The derivation need not be realized yet.
///
/// A field of this type, marked `#[dref]`, makes the derivation a dependency. In the running stage it is an [`Artifact`], or
/// a `Vec` of them if the matcher of the derivation chooses many.
pub struct RefPath<F = Opaque, Q: Cardinality = One> {
    dref: AnyDRef,
    path: Arc<str>,
    kind: PhantomData<fn() -> (F, Q)>,
}

impl<F, Q: Cardinality> RefPath<F, Q> {
    pub(super) fn new(dref: AnyDRef, path: &str) -> Self {
        RefPath {
            dref,
            path: path.into(),
            kind: PhantomData,
        }
    }

    /// Returns the derivation of the artifact.
    pub fn dref(&self) -> &DRefId {
        self.dref.id()
    }

    /// Returns the same artifact without its format, as an opaque file or folder.
    pub fn opaque(&self) -> RefPath<Opaque, Q> {
        RefPath {
            dref: self.dref.clone(),
            path: self.path.clone(),
            kind: PhantomData,
        }
    }

    /// Returns the path below the realization's `out/`, with `/` as separator.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl<Q: Cardinality> RefPath<Opaque, Q> {
    /// Returns a file inside this folder, in format `G`.
    ///
    /// # Errors
    /// The path has an empty part, `.` or `..`.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Unpacked { #[selfref("tree")] pub tree: SelfRef }
    /// # #[stage] fn unpacked(b: &Build<Unpacked>) -> Result<()> { Ok(()) }
    /// let readme: RefPath<Text> = instantiate(Unpacked::new())?.tree.join("doc/README")?;
    /// assert_eq!(readme.path(), "tree/doc/README");
    /// # Ok::<(), pylightnix::Error>(())
    /// ```
    pub fn join<G>(&self, path: &str) -> Result<RefPath<G, Q>> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let what = format!("{path:?} is not a valid path inside an artifact");
            return Err(Error::new(ErrorKind::Config, what)
                .with_help("write names with single `/` between them, without `.` and `..`"));
        }
        Ok(RefPath::new(
            self.dref.clone(),
            &format!("{}/{path}", self.path),
        ))
    }
}

impl<F: 'static, Q: Cardinality> Dependency for RefPath<F, Q> {
    type Realized = Q::Of<Artifact<F>>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        visit(&self.dref);
    }

    fn write(&self, out: ValueWriter<'_>) {
        out.refpath(self.dref(), &self.path);
    }

    fn resolve(&self, chosen: &Chosen) -> Self::Realized {
        chosen.gather::<Q, _>(self.dref(), |rref| rref.artifact(&self.path))
    }

    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()> {
        wanted.untyped::<Q>(value.refpath()?.0);
        Ok(())
    }

    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self> {
        let (dref, path) = value.refpath()?;
        Ok(RefPath::new(
            revived.held::<Q>(&dref, value)?.clone(),
            &path,
        ))
    }
}

impl<F, Q: Cardinality> Clone for RefPath<F, Q> {
    fn clone(&self) -> Self {
        RefPath {
            dref: self.dref.clone(),
            path: self.path.clone(),
            kind: PhantomData,
        }
    }
}

impl<F, Q: Cardinality> fmt::Debug for RefPath<F, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefPath({}, {:?})", self.dref, self.path)
    }
}
