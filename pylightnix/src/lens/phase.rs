//! The three phases of a config: planned, building, realized.

use super::Dependency;

/// A phase of a config, which determines the types of its fields: [`Planned`](crate::plan::Planned) for a `DRef`,
/// [`Building`](super::Building) for a `Build`, [`Realized`](super::Realized) for an `RRef`.
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
    /// The type of a `#[dref]` field.
    type Dep<D: Dependency>: Clone + Send + Sync + 'static;
    /// The type of a `#[selfref]` field in format `F`. `Tag` identifies the promise.
    type Artifact<F: 'static, Tag: 'static>: Clone + Send + Sync + 'static;
    /// The source of the values.
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

/// An artifact that a stage promises: a field marked `#[selfref("path")]`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promise {
    /// The name of the field.
    pub field: &'static str,
    /// The path below the realization's `out/`, with `/` as separator.
    pub path: &'static str,
    /// The type of the format as it is written in the source. It is part of the fingerprint.
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
