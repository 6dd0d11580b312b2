//! Formats times, sizes and references for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use pylightnix::config::{DRefId, RRefId};

#[cfg(feature = "pages")]
pub(crate) use pylightnix::internal::text::thousands;
pub(crate) use pylightnix::internal::text::{number, seconds, size};

/// The number of hex digits of an abbreviated hash.
const SHORT: usize = 8;

/// Formats a time in the local time zone, to the minute.
pub(crate) fn local_time(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// Formats a time in the local time zone, to the second.
pub(crate) fn local_second(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// Abbreviates a realization: the beginnings of its derivation's hash and of its own.
pub(crate) fn short_rref(rref: &RRefId) -> String {
    format!("{}/{}", short_dref(rref.dref()), &rref.folder()[..SHORT])
}

/// Abbreviates a derivation.
pub(crate) fn short_dref(dref: &DRefId) -> String {
    dref.folder()[..SHORT].to_owned()
}

/// Formats a number with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: usize, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {more}"),
    }
}
