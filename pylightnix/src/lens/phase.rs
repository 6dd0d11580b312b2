//! The three phases in which a config's fields are looked at.

use super::Dependency;

/// When a config's fields are looked at, and so what they are: [`Planned`](crate::plan::Planned) from a `DRef`,
/// [`Building`](super::Building) from a `Build`, [`Realized`](super::Realized) from an `RRef`.
///
/// | field | `Planned` | `Building` | `Realized` |
/// |---|---|---|---|
/// | `#[dref] x: DRef<D>` | `DRef<D>` | `RRef<D>` | `RRef<D>` |
/// | `#[dref] xs: DRef<D, Many>` | `DRef<D, Many>` | `Vec<RRef<D>>` | `Vec<RRef<D>>` |
/// | `#[dref] x: DRef<D, Try<One>>` | `DRef<D, Try<One>>` | `Result<RRef<D>, Failure>` | `Result<RRef<D>, Failure>` |
/// | `#[dref]` on `Option`, `Vec`, `BTreeMap<String, _>`, `RefPath<F>` | the same | resolved inside | resolved inside |
/// | `#[selfref("..")] out: SelfRef<F>` | `RefPath<F>` | `Output<F>` | `Artifact<F>` |
/// | any other `T` | `T` | `T` | `T` |
pub trait Phase: Send + Sync + 'static {
    /// What a `#[dref]` field is.
    type Dep<D: Dependency>: Clone + Send + Sync + 'static;
    /// What a `#[selfref]` field in format `F` is; `Tag` tells the promise.
    type Artifact<F: 'static, Tag: 'static>: Clone + Send + Sync + 'static;
    /// Where the values come from.
    #[doc(hidden)]
    type Source;

    #[doc(hidden)]
    fn dep<D: Dependency>(from: &Self::Source, dep: &D) -> Self::Dep<D>;

    #[doc(hidden)]
    fn artifact<F: 'static, Tag: 'static>(
        from: &Self::Source,
        promise: &'static Promise,
    ) -> Self::Artifact<F, Tag>;
}

/// One artifact that a stage promises: a field marked `#[selfref("path")]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promise {
    /// The field's name.
    pub field: &'static str,
    /// The path below the realization's `out/`, with `/` between its parts.
    pub path: &'static str,
    /// The format's type as written, which is a part of the stage's code.
    pub format: &'static str,
}

impl Promise {
    #[doc(hidden)]
    pub const fn new(field: &'static str, path: &'static str, format: &'static str) -> Self {
        Promise {
            field,
            path,
            format,
        }
    }
}
