//! Formats times, sizes and references for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use pylightnix::config::{DRefId, RRefId};

pub(crate) use pylightnix::internal::bytes_text as size;

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

/// Formats a duration in at most two units.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        // Includes -0.0, the sum of an empty iterator.
        s if s <= 0.0 => "0 us".to_owned(),
        s if s < 0.000_999_5 => format!("{:.0} us", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s => {
            let whole = s.round() as u64;
            let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
            match (days, hours) {
                (0, 0) => format!("{minutes} m {:02} s", whole % 60),
                (0, _) => format!("{hours} h {minutes:02} m"),
                _ => format!("{days} d {hours:02} h"),
            }
        }
    }
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
