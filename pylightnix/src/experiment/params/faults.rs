//! What is said about parameters that are wrong: where, what, and what was meant.

use serde_json::Value;
use std::fmt::Display;
use std::io;
use std::path::Path;

use super::document::Misread;
use super::{Param, ParamList};
use crate::config::{is_near, nearest_first};
use crate::{Error, ErrorKind, visible};

/// The maximum number of names to list.
const MOST: usize = 20;

fn error(message: &str) -> Error {
    Error::new(ErrorKind::Params, visible::line(message))
}

/// Combines all errors.
pub(super) fn all(faults: Vec<Error>) -> Error {
    Error::of_all(faults, |count| {
        error(&format!("{count} parameters are not valid"))
    })
}

/// A file that cannot be read.
pub(super) fn unread(path: &Path, cause: io::Error) -> Error {
    let is_missing = cause.kind() == io::ErrorKind::NotFound;
    let shown = path.display();
    let fault = error(&format!("cannot read the parameters in {shown}")).at(path);
    match is_missing {
        true => fault.because(cause).with_help("name a file that exists"),
        false => fault.because(cause),
    }
}

/// A file that cannot be parsed.
pub(super) fn misread(path: &Path, misread: &Misread) -> Error {
    let Misread { line, what } = misread;
    let path_shown = path.display();
    error(&format!("{path_shown}:{line}: {what}")).at(path)
}

/// A file in YAML, in a program that cannot read it.
#[cfg(not(feature = "yaml"))]
pub(super) fn no_yaml(path: &Path) -> Error {
    error(&format!("{}: this program reads no YAML", path.display()))
        .at(path)
        .with_help(
            "turn on the feature `yaml` of `pylightnix` in its Cargo.toml; or use TOML or JSON",
        )
}

/// Two files where one is looked for.
pub(super) fn two_files(one: &Path, other: &Path) -> Error {
    let (one, other) = (one.display(), other.display());
    error(&format!("both {one} and {other} are there"))
        .with_help("keep one of them, or say which one it is")
}

/// A key that no parameter has. `place` is where it is, and `shown` the key as it is written there.
pub(super) fn unknown(
    list: &ParamList,
    place: impl Display,
    shown: &str,
    names: impl Iterator<Item = String>,
) -> Error {
    let fault = error(&format!("{place}: there is no parameter `{shown}`"));
    let names: Vec<String> = names.collect();
    if list.iter().next().is_none() {
        return fault.with_help("this program has no parameters");
    }
    let nearest = nearest_first(shown, names.iter().map(String::as_str));
    fault.with_help(match nearest.first() {
        Some(name) if is_near(shown, name) => format!("did you mean `{name}`?"),
        _ => format!("the parameters are {}", listed(names.iter())),
    })
}

/// A value of another type.
pub(super) fn misfit(
    place: impl Display,
    param: &Param,
    value: &Value,
    cause: serde_json::Error,
) -> Error {
    let Param { key, type_name, .. } = param;
    let names = || param.variants.iter().map(|variant| &variant.name);
    if let (Value::String(text), false) = (value, param.variants.is_empty()) {
        let fault = error(&format!("{place}: `{text}` is no value of `{key}`"));
        let nearest = nearest_first(text, names().map(String::as_str));
        let all = format!("its values are {}", listed(names()));
        return fault.with_help(match nearest.first() {
            Some(name) if is_near(text, name) => format!("did you mean `{name}`? {all}"),
            _ => all,
        });
    }
    error(&format!(
        "{place}: the value of `{key}` does not fit its type `{type_name}`"
    ))
    .because(cause)
}

/// A value for a whole group.
pub(super) fn group(list: &ParamList, place: impl Display, key: &str) -> Error {
    let inside = list.iter().map(|param| &param.key);
    let inside = inside.filter(|name| name.starts_with(&format!("{key}.")));
    error(&format!(
        "{place}: `{key}` is a group of parameters and has no value"
    ))
    .with_help(format!("give one to {}", listed(inside)))
}

/// Profiles that are not a table of tables.
pub(super) fn profiles(place: impl Display) -> Error {
    error(&format!(
        "{place}: `profile` holds the profiles of the file"
    ))
    .with_help("write a table for each: `[profile.quick]`")
}

/// A profile that no file has.
pub(super) fn no_profile(name: &str, files: &[&Path], profiles: &[&str]) -> Error {
    let Some(file) = files.last() else {
        return error(&format!("there is no profile `{name}`"))
            .with_help("profiles are in a file of parameters, and there is none");
    };
    let fault = error(&format!("{} has no profile `{name}`", file.display())).at(file);
    let nearest = nearest_first(name, profiles.iter().copied());
    fault.with_help(match nearest.first() {
        Some(near) if is_near(name, near) => format!("did you mean `{near}`?"),
        Some(_) => format!("its profiles are {}", listed(profiles.iter())),
        None => format!("it has none: write `[profile.{name}]` and values below it"),
    })
}

/// A variable whose value is not UTF-8.
pub(super) fn not_text(variable: &str) -> Error {
    error(&format!("{variable}: the value is not UTF-8"))
}

/// A parameter that has no value.
pub(super) fn missing(param: &Param) -> Error {
    let Param { key, type_name, .. } = param;
    let what = match param.doc.is_empty() {
        true => format!("it is a `{type_name}`"),
        false => format!("it is a `{type_name}`: {}", visible::line(&param.doc)),
    };
    error(&format!("the parameter `{key}` has no value")).with_help(format!(
        "give it in a file of parameters, in {}, or with `--set {key}=..`; {what}",
        param.variable()
    ))
}

/// A default that is no value.
pub(super) fn unfit_default(unfit: &str) -> Error {
    error(&format!(
        "a default is no value that JSON can hold: {unfit}"
    ))
}

/// A list of values that is none.
pub(super) fn sweep(by: &str, key: &str, what: &str) -> Error {
    error(&format!("{by} {key}: {what}"))
}

fn listed<T: Display>(names: impl Iterator<Item = T>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
