//! What generated code names. Nothing here is for people, and all of it may change.

use crate::config::{ConfigWriter, Fields, StoredValue};
use crate::lens::{Config, Dependency, Omitted, Plain, SelfRef};
use crate::plan::matcher::{Matcher, TakesMany, TakesOne};
use crate::plan::{AnyDRef, Revived, Stage, StageValue, Wanted};
use crate::{BoxError, Error, ErrorKind, Result};

pub use crate::lens::Promise;
pub use crate::plan::{Registration, Tracked};
pub use inventory::submit;
// A user's module may have its own things by these names.
pub use std::clone::Clone;
pub use std::default::Default;
pub use std::marker::PhantomData;
pub use std::ops::FnMut;
pub use std::result::Result::Ok;
pub use std::string::String;
pub use std::vec::Vec;

/// A type parameter of a generic stage, as its code says it.
pub fn type_parameter<T: ?Sized>(name: &str) -> String {
    format!("{name} = {}", std::any::type_name::<T>())
}

/// A constant parameter of a generic stage, as its code says it.
pub fn const_parameter(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name} = {value}")
}

/// Writes a plain field.
pub fn write_plain<T: Plain>(out: &mut ConfigWriter, key: &'static str, value: &T) -> Result<()> {
    out.field(key).plain(value)
}

/// Writes a plain field, unless it has its default: then it is noted as left out.
pub fn write_unless_default<T: Plain>(
    out: &mut ConfigWriter,
    omitted: &mut Omitted,
    key: &'static str,
    value: &T,
    default: &T,
) -> Result<()> {
    let value_json = json_of(key, value)?;
    if value_json == json_of(key, default)? {
        omitted.insert(key.to_owned(), value_json);
        return Ok(());
    }
    write_plain(out, key, value)
}

/// Notes a field that is no part of the identity.
pub fn note_unhashed<T: Plain>(unhashed: &mut Omitted, key: &'static str, value: &T) -> Result<()> {
    unhashed.insert(key.to_owned(), json_of(key, value)?);
    Ok(())
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

/// Writes a promise.
pub fn write_promise<F>(
    out: &mut ConfigWriter,
    key: &'static str,
    _: &SelfRef<F>,
    promise: &Promise,
) {
    out.field(key).selfref(promise.path);
}

/// Writes a dependency.
pub fn write_dep<D: Dependency>(out: &mut ConfigWriter, key: &'static str, dep: &D) {
    dep.write(out.field(key));
}

/// Shows a dependency to the collector of a plan.
pub fn visit_dep<D: Dependency>(dep: &D, visit: &mut dyn FnMut(&AnyDRef)) {
    dep.visit(visit);
}

/// Says which derivations a stored dependency names.
pub fn declare_dep<D: Dependency>(
    fields: &mut Fields<'_>,
    key: &'static str,
    wanted: &mut Wanted,
) -> Result<()> {
    D::declare(&stored(fields, key)?, wanted)
}

/// Reads a dependency.
pub fn read_dep<D: Dependency>(
    fields: &mut Fields<'_>,
    key: &'static str,
    revived: &Revived,
) -> Result<D> {
    D::revive(&stored(fields, key)?, revived)
}

/// Reads a plain field.
pub fn read_plain<T: Plain>(fields: &mut Fields<'_>, key: &'static str) -> Result<T> {
    stored(fields, key)?.plain()
}

/// Reads a plain field that has a default.
pub fn read_plain_or<T: Plain>(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: impl FnOnce() -> T,
) -> Result<T> {
    match fields.take(key) {
        Some(raw) => StoredValue::new(key, raw).plain(),
        None => Ok(default()),
    }
}

/// Reads a promise.
pub fn read_promise<F>(
    fields: &mut Fields<'_>,
    key: &'static str,
    promise: &Promise,
) -> Result<SelfRef<F>> {
    let path = stored(fields, key)?.selfref()?;
    if path == promise.path {
        return Ok(SelfRef::__promise());
    }
    let message = format!(
        "the artifact `{key}` is at {path:?} in the store, and at {:?} in this program",
        promise.path
    );
    Err(Error::new(ErrorKind::Config, message))
}

/// Refuses fields that the type does not have.
pub fn no_more<C: Config>(fields: Fields<'_>) -> Result<()> {
    let rest: Vec<_> = fields.rest().map(|key| format!("`{key}`")).collect();
    if rest.is_empty() {
        return Ok(());
    }
    let message = format!(
        "`{}` has no field {}",
        std::any::type_name::<C>(),
        rest.join(", ")
    );
    Err(Error::new(ErrorKind::Config, message))
}

fn stored<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<StoredValue<'a>> {
    match fields.take(key) {
        Some(raw) => Ok(StoredValue::new(key, raw)),
        None => Err(Error::new(
            ErrorKind::Config,
            format!("the field `{key}` is not in the stored config"),
        )
        .help("give the field a default, if older results are still to be read")),
    }
}

/// Lets through what a stage without `many` can choose with.
pub fn matcher_of_one<C: Config, M>(matcher: M) -> M
where
    M: Matcher<C>,
    M::Card: TakesOne,
{
    matcher
}

/// Lets through what a stage with `many` can choose with.
pub fn matcher_of_many<C: Config, M>(matcher: M) -> M
where
    M: Matcher<C>,
    M::Card: TakesMany,
{
    matcher
}

/// Ends the run of a stage function.
pub fn finish<C: Stage, T: StageValue<C>, E: Into<BoxError>>(
    result: Result<T, E>,
) -> Result<(), BoxError> {
    result.map(drop).map_err(Into::into)
}

/// Lets a generated item name a field's type, so that an unfit one is told there, once.
pub struct PlainField<T: Plain>(PhantomData<T>);

/// Lets a generated item name a dependency's type, so that an unfit one is told there, once.
pub struct DepField<T: Dependency>(PhantomData<T>);
