//! Checks the keys of parameters, which are names in files, on command lines and of environment variables.

use super::model::{Field, Params};
use crate::faults::Faults;

pub(super) fn params(params: &Params, faults: &mut Faults) {
    for (at, field) in params.fields.iter().enumerate() {
        if let Some(message) = fault(&field.key) {
            of(field, message, faults);
        } else if let Some(other) = params.fields[..at]
            .iter()
            .find(|other| variable(&other.key) == variable(&field.key))
        {
            let message = match other.key == field.key {
                true => format!(
                    "the key `{}` is already used by the field `{}`: choose another",
                    field.key, other.ident
                ),
                false => format!(
                    "the keys `{}` and `{}` have the same environment variable: choose another",
                    other.key, field.key
                ),
            };
            of(field, message, faults);
        }
    }
}

fn of(field: &Field, message: String, faults: &mut Faults) {
    match &field.rename {
        Some(rename) => faults.of(rename, message),
        None => faults.of(&field.ident, message),
    }
}

/// Returns the part of an environment variable that stands for a key.
fn variable(key: &str) -> String {
    key.to_uppercase().replace('-', "_")
}

fn fault(key: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key == "profile" {
        return Some(
            "the key `profile` holds the profiles of a file: choose another, with `#[param(rename = \"..\")]`"
                .to_owned(),
        );
    }
    if key.is_empty() || !key.chars().all(is_plain) {
        return Some(format!(
            "the key `{key}` is not made of letters of ASCII, digits, `_` and `-`: choose another, with \
             `#[param(rename = \"..\")]`"
        ));
    }
    let variable = variable(key);
    (variable.contains("__") || variable.starts_with('_') || variable.ends_with('_')).then(|| {
        format!(
            "the key `{key}` has an underscore at an end, or two in a row, which stand for the dot of a group in \
             environment variables: choose another, with `#[param(rename = \"..\")]`"
        )
    })
}
