//! How answers are serialized where what they hold is no data of its own: times and errors are texts, and what only counts is a
//! number.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// A time that may not be known.
pub(crate) fn known_time<S: Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(to)
}

/// Something as its text; a time is RFC 3339.
pub(crate) fn one<S: Serializer>(one: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(one)
}

/// A list of texts.
pub(crate) fn each<S: Serializer>(all: &[impl Display], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(ToString::to_string))
}

/// How many there are.
pub(crate) fn count<T, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
    all.len().serialize(to)
}
