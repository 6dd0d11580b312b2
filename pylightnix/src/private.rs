//! Items for generated code only. They may change in any version.

use crate::config::{ConfigWriter, Fields, Name, StoredValue};
use crate::experiment::{ParamEnum, ParamList, ParamValues, ParamVariant};
use crate::lens::{self, Config, Omitted, Plain, SelfRef};
use crate::plan::matcher::{Matcher, TakesMany, TakesOne};
use crate::plan::{Stage, StageValue};
use crate::{BoxError, Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The whole library, for the option `crate = path` of the macros.
pub use crate as library;
pub use crate::lens::Promise;
pub use crate::plan::matcher::StageMatcher;
pub use crate::plan::{
    ArgType, CrateVersions, ItemTexts, Place, Reach, Reading, Registration, Sealing, Tracked,
};
pub use inventory::submit;
// Re-exported because a user's module may define other items with these names.
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

/// The config in the signature of a stage function. The compiler resolves [`STAGE`](Self::STAGE) to the inherent constant if
/// `C` has a stage, else to that of [`NoStage`]. So an error in the signature is reported there, and not a second time here.
pub struct Own<C>(PhantomData<C>);

impl<C> fmt::Debug for Own<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl<C: Stage> Own<C> {
    /// The registration of the stage.
    pub const STAGE: Registration = Registration::of::<C>();
}

/// The fallback for a type without a stage.
pub trait NoStage {
    /// A placeholder.
    const STAGE: Registration;
}

impl<C> NoStage for Own<C> {
    const STAGE: Registration = Registration::none::<C>();
}

/// Formats a type parameter of a generic stage for the text of its code.
pub fn type_parameter<T: ?Sized>(name: &str) -> String {
    format!("{name} = {}", std::any::type_name::<T>())
}

/// Formats a constant parameter of a generic stage for the text of its code.
pub fn const_parameter(name: &str, value: impl fmt::Display) -> String {
    format!("{name} = {value}")
}

/// The operations of generated code on a plain field.
///
/// `Via` is always inferred. With a single implementation, the compiler would report one error for each bound that a type
/// does not satisfy. With two implementations to choose from, it reports one error, about this trait.
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
    /// Returns a copy for a lens.
    fn view(&self) -> Self;

    /// Writes the field.
    fn write(&self, out: &mut ConfigWriter, key: &'static str) -> Result<()>;

    /// Writes the field unless it has its default, in which case it is added to `omitted`.
    fn write_unless(
        &self,
        default: &Self,
        out: &mut ConfigWriter,
        omitted: &mut Omitted,
        key: &'static str,
    ) -> Result<()>;

    /// Returns whether the type guarantees a lossless round trip through JSON.
    fn is_exact() -> bool;

    /// Adds the field to `unhashed`, as no part of the identity.
    fn note(&self, unhashed: &mut Omitted, key: &'static str) -> Result<()>;

    /// Reads the field.
    fn read(fields: &mut Fields<'_>, key: &'static str) -> Result<Self>;

    /// Reads the field, or returns the default if it is missing.
    fn read_or(
        fields: &mut Fields<'_>,
        key: &'static str,
        default: impl FnOnce() -> Self,
    ) -> Result<Self>;
}

/// Marks the implementation for plain data.
#[derive(Debug)]
pub enum IsPlain {}

/// Marks the second implementation, which applies to no type.
#[derive(Debug)]
pub enum IsNever {}

/// Implemented by no type.
pub trait Never {
    /// Never called.
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

/// Returns the canonical JSON of a value, to compare values; `None` if a config cannot hold the value. `serde_json::Value`
/// does not distinguish NaN from `None` or `-0.0` from `0.0`, and does not hold 128-bit integers.
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

/// Makes the value of a promise field. This is a free function because the compiler would suggest an associated one to
/// users.
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

/// Collects the errors of all fields while a config is read, so that they are reported together.
#[derive(Debug, Default)]
pub struct Misfits(Vec<Error>);

impl Misfits {
    /// Returns the value, or notes the error and returns `None`.
    pub fn note<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|error| self.0.push(error)).ok()
    }

    /// Reports fields that the type does not have, and all noted errors.
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

/// Returns a value of [`Misfits::note`] after [`Misfits::end`] succeeded, so that it is always `Some`.
pub fn fitting<T>(noted: Option<T>) -> Result<T> {
    noted.ok_or_else(|| Error::new(ErrorKind::Config, "a field does not fit"))
}

/// Takes the value of a field, if the config has it.
pub fn there<'a>(fields: &mut Fields<'a>, key: &'static str) -> Option<StoredValue<'a>> {
    Some(StoredValue::new(key, fields.take(key)?))
}

/// Takes the value of a field, and fails if the config does not have it.
pub fn stored<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<StoredValue<'a>> {
    match fields.take(key) {
        Some(raw) => Ok(StoredValue::new(key, raw)),
        None => Err(Error::new(
            ErrorKind::Config,
            format!("the field `{key}` is not in the stored config"),
        )
        .with_help("give the field a default if older results must stay readable")),
    }
}

/// Wraps the matcher of a stage without `many`.
pub fn takes_one<C: Config, M>(matcher: M) -> StageMatcher<C>
where
    M: Matcher<C>,
    M::Card: TakesOne,
{
    StageMatcher::new(matcher)
}

/// Wraps the matcher of a stage with `many`.
pub fn takes_many<C: Config, M>(matcher: M) -> StageMatcher<C>
where
    M: Matcher<C>,
    M::Card: TakesMany,
{
    StageMatcher::new(matcher)
}

/// Converts the return value of a stage function for the run.
pub fn finish<C, R: StageResult<C>>(result: R) -> Result<(), BoxError> {
    result.finish()
}

/// The return types of stage functions.
#[diagnostic::on_unimplemented(
    message = "a stage of `{C}` cannot return `{Self}`",
    label = "not a `Result`",
    note = "a stage can fail: let it return `Result<()>`, or `Result` of the outputs struct that `#[derive(Config)]` made"
)]
pub trait StageResult<C> {
    /// Drops the outputs, which are proofs for the compiler only.
    fn finish(self) -> Result<(), BoxError>;
}

impl<C, T: StageValue<C>, E: Into<BoxError>> StageResult<C> for Result<T, E> {
    fn finish(self) -> Result<(), BoxError> {
        self.map(drop).map_err(Into::into)
    }
}

/// The operations of generated code on a parameter of an experiment. `Via` is always inferred, as in [`PlainField`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter",
    label = "not the type of a parameter",
    note = "parameters are `Serialize + DeserializeOwned + 'static`: put `#[derive(Serialize, Deserialize)]` on the type",
    note = "mark a struct that derives `Params` with `#[param(nested)]`"
)]
pub trait ParamField<Via>: Sized {
    /// Adds the parameter to a list.
    fn declare(
        list: &mut ParamList,
        key: &str,
        doc: &str,
        type_name: &str,
        default: Option<fn() -> Self>,
        variants: Vec<ParamVariant>,
    );

    /// Reads the value.
    fn read(values: &ParamValues<'_>, key: &str) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> ParamField<IsPlain> for T {
    fn declare(
        list: &mut ParamList,
        key: &str,
        doc: &str,
        type_name: &str,
        default: Option<fn() -> Self>,
        variants: Vec<ParamVariant>,
    ) {
        list.declare(key, doc, type_name, default, variants);
    }

    fn read(values: &ParamValues<'_>, key: &str) -> Result<Self> {
        values.value(key)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Never> ParamField<IsNever> for T {
    fn declare(
        _: &mut ParamList,
        _: &str,
        _: &str,
        _: &str,
        _: Option<fn() -> Self>,
        _: Vec<ParamVariant>,
    ) {
        T::never()
    }

    fn read(_: &ParamValues<'_>, _: &str) -> Result<Self> {
        T::never()
    }
}

/// The type of a parameter. The compiler resolves `variants` to the inherent function if `T` is a [`ParamEnum`], else to that of
/// [`NoVariants`].
pub struct VariantsOf<T>(PhantomData<T>);

impl<T> fmt::Debug for VariantsOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VariantsOf").finish_non_exhaustive()
    }
}

impl<T: ParamEnum> VariantsOf<T> {
    /// Returns the values that the parameter may have.
    pub fn variants() -> Vec<ParamVariant> {
        T::variants()
    }
}

/// The fallback for a type whose values have no names.
pub trait NoVariants {
    /// Returns nothing.
    fn variants() -> Vec<ParamVariant> {
        Vec::new()
    }
}

impl<T> NoVariants for VariantsOf<T> {}

/// A type whose variants have the names that `serde` writes.
#[diagnostic::on_unimplemented(
    message = "the variants of `{Self}` have no names",
    label = "not named",
    note = "the names are those that `serde` writes: put `#[derive(Serialize, Deserialize)]` on the enum"
)]
pub trait Named {
    /// Returns the JSON of a value.
    fn json(&self) -> serde_json::Result<serde_json::Value>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Named for T {
    fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }
}

/// Returns a variant with the name that its type writes; `None` for one that is never written.
pub fn param_variant<T: Named>(variant: &T, doc: &str) -> Option<ParamVariant> {
    match variant.json() {
        Ok(serde_json::Value::String(name)) => Some(ParamVariant::new(name, doc)),
        _ => None,
    }
}
