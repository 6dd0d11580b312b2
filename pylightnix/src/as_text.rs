//! Serialization of fields that are written as text (times, errors) or as a number (lists of which only the length is
//! given).

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// Serializes an optional time as RFC 3339, or `null`.
pub(crate) fn known_time<S: Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(to)
}

/// Serializes a value as the text that it displays; a time is RFC 3339.
pub(crate) fn one<S: Serializer>(one: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(one)
}

/// Serializes values as a list of the texts that they display.
pub(crate) fn each<S: Serializer>(all: &[impl Display], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(ToString::to_string))
}

/// Serializes the number of items.
pub(crate) fn count<T, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
    all.len().serialize(to)
}
