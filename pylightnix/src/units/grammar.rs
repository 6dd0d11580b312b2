//! The syntax of durations and sizes: `2h 30m`, `8GiB`.
//!
//! The library and its macros compile this one file (`pylightnix-macros/src/grammar.rs` is a link to it), so that
//! attributes, command line options and functions accept the same texts. It depends on the standard library only.

use std::fmt;
use std::time::Duration;

/// The units of time, in nanoseconds.
const TIMES: [(&[&str], u64); 8] = [
    (&["ns"], 1),
    (&["us"], 1000),
    (&["ms"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], 60 * SECOND),
    (&["h", "hour", "hours"], 3600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
    (&["w", "week", "weeks"], 604_800 * SECOND),
];

const SECOND: u64 = 1_000_000_000;

/// The units of size, in bytes: first the binary ones, the smallest first.
pub(crate) const SIZES: [(&str, u64); 11] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
];

/// The error for an invalid text: what is wrong with it, and what to write instead.
#[derive(Debug)]
pub(crate) struct Misread {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

/// Parses a duration: numbers with units, which are added up, or one number of seconds. Fractions of a nanosecond are
/// dropped.
pub(crate) fn duration(text: &str) -> Result<Duration, Misread> {
    let misread = |why: &str| {
        Misread {
        message: format!("`{text}` is not a valid duration{why}"),
        help: "write numbers with units, as in `90s`, `2h 30m` or `7 days`; the units are `ms`, `s`, `m` (minutes), `h`, `d` and `w`"
            .to_owned(),
    }
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(misread(""));
    }
    let mut nanoseconds = 0_u128;
    while !rest.is_empty() {
        let (number, unit, more) = part(rest);
        let unit = match unit {
            // Only a single number may omit its unit.
            "" if more.is_empty() && number.len() == text.trim().len() => "s",
            unit => unit,
        };
        let known = TIMES.iter().find(|(names, _)| names.contains(&unit));
        let size = match (known, unit) {
            (Some((_, size)), _) => *size,
            (None, _) if !number.contains(|c: char| c.is_ascii_digit()) => return Err(misread("")),
            (None, "") => return Err(misread(&format!(": `{number}` has no unit"))),
            (None, unit) => return Err(misread(&format!(": there is no unit `{unit}`"))),
        };
        let number = Number::read(number).ok_or_else(|| misread(""))?;
        nanoseconds = number
            .times(size)
            .and_then(|more| nanoseconds.checked_add(more))
            .ok_or_else(|| misread(": it is too long"))?;
        rest = more;
    }
    let second = u128::from(SECOND);
    let seconds = u64::try_from(nanoseconds / second).map_err(|_| misread(": it is too long"))?;
    Ok(Duration::new(seconds, (nanoseconds % second) as u32))
}

/// Parses a size in bytes: one number with a unit. Fractions of a byte are dropped.
pub(crate) fn bytes(text: &str) -> Result<u64, Misread> {
    let misread = |why: &str, help: String| Misread {
        message: format!("`{text}` is not a valid size{why}"),
        help,
    };
    let example = || "write a number and a unit, as in `8GiB` or `500MB`".to_owned();
    let (digits, unit, rest) = part(text.trim());
    let number = match Number::read(digits) {
        Some(number) if rest.is_empty() => number,
        _ => return Err(misread("", example())),
    };
    let Some((_, size)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let known = "the units are `B`, `KiB`, `MiB`, `GiB`, `TiB`, `PiB`, and `kB`, `MB`, `GB`, `TB`, `PB`";
        let help = match unit
            .chars()
            .next()
            .map(|letter| letter.to_ascii_uppercase())
        {
            None => {
                let help = format!("{}; bytes are `{digits}B`", example());
                return Err(misread(": it has no unit", help));
            }
            Some(letter @ ('K' | 'M' | 'G' | 'T' | 'P')) => {
                let thousands = if letter == 'K' { 'k' } else { letter };
                format!(
                    "write `{digits}{letter}iB` (steps of 1024) or `{digits}{thousands}B` (steps of 1000)"
                )
            }
            Some(_) => known.to_owned(),
        };
        return Err(misread(&format!(": there is no unit `{unit}`"), help));
    };
    let bytes = number.times(*size).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| misread(": it is too large", example()))
}

/// Splits a text into a number, the unit after it, and the rest, without the spaces between them.
fn part(text: &str) -> (&str, &str, &str) {
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
    let (number, rest) = split(text, is_number);
    let (unit, rest) = split(rest.trim_start(), char::is_alphabetic);
    (number, unit, rest.trim_start())
}

/// Splits a text after the leading characters that satisfy `holds`.
fn split(text: &str, holds: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !holds(c)).unwrap_or(text.len()))
}

/// An exact decimal number.
struct Number {
    whole: u128,
    /// The fraction, in units of `1 / SCALE`.
    part: u128,
}

impl Number {
    /// The number of digits after the point that count: with the largest unit, one more digit is less than a nanosecond.
    const DIGITS: usize = 18;
    const SCALE: u128 = 10_u128.pow(Self::DIGITS as u32);

    /// Parses digits with at most one point, and underscores between them as in Rust.
    fn read(text: &str) -> Option<Self> {
        let text = text.replace('_', "");
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        if whole.is_empty() && part.is_empty() || part.contains('.') {
            return None;
        }
        let part: String = part
            .chars()
            .chain(std::iter::repeat('0'))
            .take(Self::DIGITS)
            .collect();
        Some(Number {
            // A number with more digits is too large for any unit; `times` reports the overflow.
            whole: format!("0{whole}").parse().unwrap_or(u128::MAX),
            part: part.parse().ok()?,
        })
    }

    /// Returns the number times `size`; `None` if it overflows.
    fn times(&self, size: u64) -> Option<u128> {
        let size = u128::from(size);
        let part = self.part * size / Self::SCALE;
        self.whole.checked_mul(size)?.checked_add(part)
    }
}
