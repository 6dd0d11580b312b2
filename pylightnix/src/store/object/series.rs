//! The file of the numbers that a stage recorded while it ran: a line for each.
//!
//! While the build is under way it is called [`SERIES`]. It is published as the log of a record that is attached to the
//! realization, so that programs of earlier versions copy and pack it.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead};

/// The name of the file beside the artifacts of a build that is under way.
pub(crate) const SERIES: &str = "series.jsonl";

/// The maximal length of a line that is read.
const LONGEST_LINE: u64 = 64 << 10;

/// A number that was recorded.
pub(in crate::store) struct Point<'a> {
    pub(in crate::store) name: Cow<'a, str>,
    pub(in crate::store) step: u64,
    pub(in crate::store) value: f64,
}

/// Formats a line: a JSON list of the name, the step and the value. Values that JSON does not have are texts.
pub(crate) fn line(name: &str, step: u64, value: f64) -> String {
    let name = serde_json::Value::from(name);
    match value {
        value if value.is_finite() => format!("[{name},{step},{value:?}]\n"),
        value if value.is_nan() => format!("[{name},{step},\"nan\"]\n"),
        value if value > 0. => format!("[{name},{step},\"inf\"]\n"),
        _ => format!("[{name},{step},\"-inf\"]\n"),
    }
}

/// Calls `take` for each line. Passes over lines that are none, such as half a line at the end.
pub(in crate::store) fn each_point(
    mut from: impl BufRead,
    take: &mut dyn FnMut(Point<'_>),
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut is_whole = true;
    loop {
        line.clear();
        let read = io::Read::take(&mut from, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        // Of a line that is too long, no part counts.
        let begins_anew = std::mem::replace(&mut is_whole, line.ends_with(b"\n"));
        if begins_anew
            && is_whole
            && let Ok((Name(name), step, Number(value))) = serde_json::from_slice(&line)
        {
            take(Point { name, step, value });
        }
    }
}

/// A name, borrowed from the line if it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"nan\", \"inf\" or \"-inf\"")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        match text {
            "nan" => Ok(Number(f64::NAN)),
            "inf" => Ok(Number(f64::INFINITY)),
            "-inf" => Ok(Number(f64::NEG_INFINITY)),
            _ => Err(E::custom("no number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(String, u64, f64)> {
        let mut points = Vec::new();
        each_point(text, &mut |Point { name, step, value }| {
            points.push((name.into_owned(), step, value));
        })
        .unwrap();
        points
    }

    #[test]
    fn what_is_written_is_read() {
        let values = [
            0.,
            -0.,
            0.1,
            1e300,
            5e-324,
            -7.,
            f64::INFINITY,
            -f64::INFINITY,
        ];
        let names = ["loss", "a b", "", "\"\\\n\u{1b}[31m", "\u{e9}\u{202e}"];
        let mut text = String::new();
        let mut wanted = Vec::new();
        for name in names {
            for (step, value) in (0..).zip(values) {
                text.push_str(&line(name, u64::MAX - step, value));
                wanted.push((name.to_owned(), u64::MAX - step, value));
            }
        }
        assert_eq!(text.lines().count(), wanted.len());
        assert_eq!(read(text.as_bytes()), wanted);
        assert!(read(line("x", 1, f64::NAN).as_bytes())[0].2.is_nan());
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        let long = format!("[\"{}\",1,2.0]\n", "x".repeat(1 << 20));
        let text = format!(
            "{}\nhello\n[]\n[\"a\",-1,2]\n{long}[\"b\",3,4]\n[\"c\",5",
            line("a", 1, 2.)
        );
        let found = read(text.as_bytes());
        assert_eq!(found, [("a".to_owned(), 1, 2.), ("b".to_owned(), 3, 4.)]);
    }
}
