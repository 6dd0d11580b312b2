//! Times as the Python package writes them: `261122-08:47:39:287917+0000`.

use jiff::Timestamp;
use jiff::fmt::strtime;

/// The directives of `strftime` in Python, which are those of jiff, too.
const FORM: &str = "%y%m%d-%H:%M:%S:%f%z";
/// The same with as many digits of the second as Python writes.
const WRITTEN: &str = "%y%m%d-%H:%M:%S:%6f%z";

/// Reads a time. Returns `None` for a text that Python takes for no time.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    // Python reads at most microseconds, and no space around them.
    let (_, rest) = text
        .rsplit_once(':')
        .filter(|(front, _)| front.len() == 15)?;
    let digits = rest.find(['+', '-'])?;
    let (fraction, zone) = rest.split_at(digits);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=6).contains(&fraction.len()) || !is_number(fraction) {
        return None;
    }
    if zone.len() != 5 || !is_number(&zone[1..]) {
        return None;
    }
    strtime::parse(FORM, text).ok()?.to_timestamp().ok()
}

/// Writes a time, in UTC.
pub(super) fn format(time: Timestamp) -> String {
    time.strftime(WRITTEN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_python_reads_them() {
        let time: Timestamp = "2026-11-22T08:47:39.287917Z".parse().unwrap();
        assert_eq!(parse("261122-08:47:39:287917+0000"), Some(time));
        assert_eq!(parse("261122-10:47:39:287917+0200"), Some(time));
        assert_eq!(parse("261122-03:17:39:287917-0530"), Some(time));
        assert_eq!(parse(&format(time)), Some(time));
        let tenth: Timestamp = "2026-11-22T08:47:39.5Z".parse().unwrap();
        assert_eq!(parse("261122-08:47:39:5+0000"), Some(tenth));
        for wrong in [
            "",
            "261122-08:47:39:287917+0000\n",
            "261122-08:47:39:287917000+0000",
            "261122-08:47:39:287917",
            "261122-08:47:39",
            "2026-11-22T08:47:39.287917Z",
            "261322-08:47:39:287917+0000",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
