//! What generated code names. Nothing here is for people, and all of it may change.

use crate::config::{ConfigWriter, Fields, Name, StoredValue};
use crate::lens::{self, Config, Omitted, Plain, SelfRef};
use crate::plan::matcher::{Matcher, TakesMany, TakesOne};
use crate::plan::{Stage, StageValue};
use crate::{BoxError, Error, ErrorKind, Result};
use std::fmt;

/// The whole library, for `crate = path`.
pub use crate as library;
pub use crate::lens::Promise;
pub use crate::plan::matcher::StageMatcher;
pub use crate::plan::{ArgType, Place, Registration, Tracked};
pub use inventory::submit;
// A user's module may have its own things by these names.
pub use std::clone::Clone;
pub use std::default::Default;
pub use std::marker::PhantomData;
pub use std::marker::{Send, Sync};
pub use std::ops::FnMut;
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::Ok;
pub use std::string::String;
pub use std::time::Duration;
pub use std::vec::Vec;

/// The matchers, for the expression in `#[stage(matcher = ..)]`.
pub mod matchers {
    pub use crate::plan::matcher::Matcher as _;
    pub use crate::plan::matcher::{
        all, exact, exact_many, highest, highest_n, latest, latest_n, lowest, lowest_n, only, pick,
        pick_many, some,
    };
}

/// The config of a stage's own function. What its [`STAGE`](Self::STAGE) is is found by name: that of [`NoStage`] if it is
/// no config, so that this is said where the function names it, and not here again.
pub struct Own<C>(PhantomData<C>);

impl<C> fmt::Debug for Own<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl<C: Stage> Own<C> {
    /// Its stage.
    pub const STAGE: Registration = Registration::of::<C>();
}

/// What stands in for a stage.
pub trait NoStage {
    /// None.
    const STAGE: Registration;
}

impl<C> NoStage for Own<C> {
    const STAGE: Registration = Registration::none::<C>();
}

/// A type parameter of a generic stage, as its code says it.
pub fn type_parameter<T: ?Sized>(name: &str) -> String {
    format!("{name} = {}", std::any::type_name::<T>())
}

/// A constant parameter of a generic stage, as its code says it.
pub fn const_parameter(name: &str, value: impl fmt::Display) -> String {
    format!("{name} = {value}")
}

/// What generated code does with a plain field.
///
/// `Via` is always inferred. With one implementation for all types, a type that is not plain would be told one error for
/// each thing that it lacks; with two to choose from it is told one, of this trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a plain field of a config",
    label = "not plain data",
    note = "plain fields are `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`: \
            put `#[derive(Clone, Serialize, Deserialize)]` on the type; give a type parameter the bound \
            `pylightnix::lens::Plain`",
    note = "mark a dependency with `#[dref]`, even if its type is an alias; write a promise as \
            `SelfRef<F>`, with `#[selfref(\"path\")]`"
)]
pub trait PlainField<Via>: Sized {
    /// The same value, for a lens.
    fn view(&self) -> Self;

    /// Writes it.
    fn write(&self, out: &mut ConfigWriter, key: &'static str) -> Result<()>;

    /// Writes it, unless it has its default: then it is noted as left out.
    fn write_unless(
        &self,
        default: &Self,
        out: &mut ConfigWriter,
        omitted: &mut Omitted,
        key: &'static str,
    ) -> Result<()>;

    /// Whether its type alone tells that JSON gives back the same value.
    fn is_exact() -> bool;

    /// Notes it as no part of the identity.
    fn note(&self, unhashed: &mut Omitted, key: &'static str) -> Result<()>;

    /// Reads it.
    fn read(fields: &mut Fields<'_>, key: &'static str) -> Result<Self>;

    /// Reads it, or has the default.
    fn read_or(
        fields: &mut Fields<'_>,
        key: &'static str,
        default: impl FnOnce() -> Self,
    ) -> Result<Self>;
}

/// Marks the implementation for plain data.
#[derive(Debug)]
pub enum IsPlain {}

/// Marks the implementation for nothing.
#[derive(Debug)]
pub enum IsNever {}

/// Implemented for nothing.
pub trait Never {
    /// Nothing.
    fn never<T>() -> T;
}

#[diagnostic::do_not_recommend]
impl<T: Plain> PlainField<IsPlain> for T {
    fn view(&self) -> Self {
        self.clone()
    }

    fn write(&self, out: &mut ConfigWriter, key: &'static str) -> Result<()> {
        out.field(key).plain(self)
    }

    fn write_unless(
        &self,
        default: &Self,
        out: &mut ConfigWriter,
        omitted: &mut Omitted,
        key: &'static str,
    ) -> Result<()> {
        let value = canonical(self);
        if value.is_none() || value != canonical(default) {
            return out.field(key).plain(self);
        }
        omitted.insert(key.to_owned(), json_of(key, self)?);
        Ok(())
    }

    fn is_exact() -> bool {
        lens::is_exact::<T>()
    }

    fn note(&self, unhashed: &mut Omitted, key: &'static str) -> Result<()> {
        unhashed.insert(key.to_owned(), json_of(key, self)?);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>, key: &'static str) -> Result<Self> {
        stored(fields, key)?.plain()
    }

    fn read_or(
        fields: &mut Fields<'_>,
        key: &'static str,
        default: impl FnOnce() -> Self,
    ) -> Result<Self> {
        match fields.take(key) {
            Some(raw) => StoredValue::new(key, raw).plain(),
            None => Ok(default()),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: Never> PlainField<IsNever> for T {
    fn view(&self) -> Self {
        T::never()
    }

    fn write(&self, _: &mut ConfigWriter, _: &'static str) -> Result<()> {
        T::never()
    }

    fn write_unless(
        &self,
        _: &Self,
        _: &mut ConfigWriter,
        _: &mut Omitted,
        _: &'static str,
    ) -> Result<()> {
        T::never()
    }

    fn is_exact() -> bool {
        T::never()
    }

    fn note(&self, _: &mut Omitted, _: &'static str) -> Result<()> {
        T::never()
    }

    fn read(_: &mut Fields<'_>, _: &'static str) -> Result<Self> {
        T::never()
    }

    fn read_or(_: &mut Fields<'_>, _: &'static str, _: impl FnOnce() -> Self) -> Result<Self> {
        T::never()
    }
}

/// What tells values apart, if a config can hold this one. As a `serde_json::Value` a NaN is what a `None` is, `-0.0` equals
/// `0.0`, and 128 bits do not fit.
fn canonical<T: Plain>(value: &T) -> Option<String> {
    let mut out = ConfigWriter::new(&Name::new("value").ok()?);
    out.field("value").plain(value).ok()?;
    Some(out.finish().text().to_owned())
}

fn json_of<T: Plain>(key: &'static str, value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("the field `{key}` cannot be written as JSON"),
        )
        .because(error)
    })
}

/// The field of a promise. A function, not `SelfRef`'s own: the compiler would suggest that one.
pub const fn promise<F>() -> SelfRef<F> {
    SelfRef::promise()
}

/// Writes a promise.
pub fn write_promise<F>(
    out: &mut ConfigWriter,
    key: &'static str,
    _: &SelfRef<F>,
    promise: &Promise,
) {
    out.field(key).selfref(promise.path);
}

/// Reads a promise.
pub fn read_promise<F>(
    fields: &mut Fields<'_>,
    key: &'static str,
    promise: &Promise,
) -> Result<SelfRef<F>> {
    let path = stored(fields, key)?.selfref()?;
    if path == promise.path {
        return Ok(SelfRef::promise());
    }
    let message = format!(
        "the artifact `{key}` is at {path:?} in the store, and at {:?} in this program",
        promise.path
    );
    Err(Error::new(ErrorKind::Config, message))
}

/// What does not fit while a config is read: all of it, and not the first thing alone.
#[derive(Debug, Default)]
pub struct Misfits(Vec<Error>);

impl Misfits {
    /// The value, or nothing if it does not fit.
    pub fn note<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|error| self.0.push(error)).ok()
    }

    /// Refuses fields that the type does not have, and says all that does not fit.
    pub fn end<C: Config>(mut self, fields: Fields<'_>) -> Result<()> {
        let rest: Vec<_> = fields.rest().map(|key| format!("`{key}`")).collect();
        if !rest.is_empty() {
            let message = format!(
                "`{}` has no field {}",
                std::any::type_name::<C>(),
                rest.join(", ")
            );
            self.0.push(Error::new(ErrorKind::Config, message));
        }
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Error::of_all(self.0, |count| {
            Error::new(ErrorKind::Config, format!("{count} fields do not fit"))
        }))
    }
}

/// A value that was noted, when all fits.
pub fn fitting<T>(noted: Option<T>) -> Result<T> {
    noted.ok_or_else(|| Error::new(ErrorKind::Config, "a field does not fit"))
}

/// The value of a field, if it is there.
pub fn there<'a>(fields: &mut Fields<'a>, key: &'static str) -> Option<StoredValue<'a>> {
    Some(StoredValue::new(key, fields.take(key)?))
}

/// The value of a field that has to be there.
pub fn stored<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<StoredValue<'a>> {
    match fields.take(key) {
        Some(raw) => Ok(StoredValue::new(key, raw)),
        None => Err(Error::new(
            ErrorKind::Config,
            format!("the field `{key}` is not in the stored config"),
        )
        .help("give the field a default if older results must stay readable")),
    }
}

/// The matcher of a stage without `many`.
pub fn takes_one<C: Config, M>(matcher: M) -> StageMatcher<C>
where
    M: Matcher<C>,
    M::Card: TakesOne,
{
    StageMatcher::new(matcher)
}

/// The matcher of a stage with `many`.
pub fn takes_many<C: Config, M>(matcher: M) -> StageMatcher<C>
where
    M: Matcher<C>,
    M::Card: TakesMany,
{
    StageMatcher::new(matcher)
}

/// Ends the run of a stage function.
pub fn finish<C, R: StageResult<C>>(result: R) -> Result<(), BoxError> {
    result.finish()
}

/// What a stage function may return.
#[diagnostic::on_unimplemented(
    message = "a stage of `{C}` cannot return `{Self}`",
    label = "not a `Result`",
    note = "a stage can fail: let it return `Result<()>`, or `Result` of the outputs struct that `#[derive(Config)]` made"
)]
pub trait StageResult<C> {
    /// Forgets the proofs.
    fn finish(self) -> Result<(), BoxError>;
}

impl<C, T: StageValue<C>, E: Into<BoxError>> StageResult<C> for Result<T, E> {
    fn finish(self) -> Result<(), BoxError> {
        self.map(drop).map_err(Into::into)
    }
}
