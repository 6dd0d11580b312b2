//! How durations and sizes are written. Each has one form, and a second one for the reason that its documentation gives.

use std::time::Duration;

use super::grammar;

/// Formats a duration in at most two units: `2h 30m`, `1m 5s`, `1.5 s`, `20 ms`.
pub fn duration(time: Duration) -> String {
    let two = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{lesser}"),
    };
    // The borders are where rounding would give the next larger unit.
    match time.as_secs_f64() {
        0. => "0 s".to_owned(),
        s if s < 0.000_999_5 => format!("{:.0} us", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{} s", (s * 10.).round() / 10.),
        s => match s.round() as u64 {
            s @ ..3600 => two(s / 60, "m", s % 60, "s"),
            s @ 3600..86400 => two(s / 3600, "h", s % 3600 / 60, "m"),
            s => two(s / 86400, "d", s % 86400 / 3600, "h"),
        },
    }
}

/// Formats a number of seconds as [`duration`] does. A negative number, as of a build during which the clock was set back, is zero.
pub fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Formats a duration like a clock: `0:05`, `12:34`, `1:02:03`. It is for a display that is drawn anew all the time: seconds pass one
/// by one, and the text does not change its form at each step.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Formats a number with about four significant digits: `0.0625`, `12.35`, `1.5e-7`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size.fract() == 0. && size < 1e9 {
        return value.to_string();
    }
    let trimmed = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.3e}");
        return match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", trimmed(digits)),
            None => text,
        };
    }
    let whole = size.log10().floor().max(0.) as usize;
    let digits = 3_usize.saturating_sub(whole).max(1) + usize::from(size < 1.);
    trimmed(&format!("{value:.digits$}"))
}

/// Formats a count with commas between thousands: `10,000`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The units in which sizes are written.
const SIZES: &[(&str, u64)] = grammar::SIZES.split_at(6).0;

/// Formats a size in its largest unit, rounded: `8 GiB`, `1.5 MiB`, `12 B`.
pub fn size(bytes: u64) -> String {
    let rounded = |size: u64| (bytes as f64 / size as f64 * 10.).round() / 10.;
    let fits = SIZES.iter().find(|(_, size)| rounded(*size) < 1024.);
    let (unit, size) = fits.unwrap_or(&SIZES[SIZES.len() - 1]);
    format!("{} {unit}", rounded(*size))
}

/// Formats a size in the largest unit in which it has at most two decimals: `8GiB`, `1.25MiB`, `1025B`. It is for limits, and for
/// texts that are to be copied into a program: no byte is rounded away, and [`bytes`](super::bytes) reads the same size.
pub(crate) fn exact_size(bytes: u64) -> String {
    let hundredths = |size: u64| {
        let hundredths = u128::from(bytes) * 100;
        let is_exact = bytes >= size && hundredths.is_multiple_of(size.into());
        is_exact.then(|| hundredths / u128::from(size))
    };
    let mut exact = SIZES.iter().rev();
    let exact = exact.find_map(|(unit, size)| Some((unit, hundredths(*size)?)));
    match exact.map(|(unit, hundredths)| (unit, hundredths / 100, hundredths % 100)) {
        None => format!("{bytes}B"),
        Some((unit, whole, 0)) => format!("{whole}{unit}"),
        Some((unit, whole, part)) => {
            let part = format!("{part:02}");
            format!("{whole}.{}{unit}", part.trim_end_matches('0'))
        }
    }
}

/// Formats two sizes of which one is too much for the other, rounded unless that would make them equal.
pub(crate) fn sizes(one: u64, other: u64) -> (String, String) {
    match (size(one), size(other)) {
        (same, too) if same == too => (exact_size(one), exact_size(other)),
        rounded => rounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_four_digits() {
        for (value, text) in [
            (0., "0"),
            (-3., "-3"),
            (0.0625, "0.0625"),
            (12.345_678, "12.35"),
            (-98_765.432, "-98765.4"),
            (0.5, "0.5"),
            (1.5e-7, "1.5e-7"),
            (1.0e20, "1e20"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (secs, text) in [
            (0., "0 s"),
            (-1., "0 s"),
            (0.000_02, "20 us"),
            (0.000_999_6, "1 ms"),
            (0.02, "20 ms"),
            (0.999_6, "1 s"),
            (5.04, "5 s"),
            (1.5, "1.5 s"),
            (59.94, "59.9 s"),
            (59.96, "1m"),
            (65., "1m 5s"),
            (3599.6, "1h"),
            (9000., "2h 30m"),
            (90_000., "1d 1h"),
        ] {
            assert_eq!(seconds(secs), text, "{secs}");
        }
        let clock = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!(
            [clock(5), clock(754), clock(3723)],
            ["0:05", "12:34", "1:02:03"]
        );
    }

    #[test]
    fn sizes_are_rounded_or_exact() {
        for (bytes, text, exact) in [
            (0, "0 B", "0B"),
            (12, "12 B", "12B"),
            (1023, "1023 B", "1023B"),
            (1025, "1 KiB", "1025B"),
            (1280, "1.3 KiB", "1.25KiB"),
            ((1 << 20) - 1, "1 MiB", "1048575B"),
            (8 << 30, "8 GiB", "8GiB"),
            ((8 << 30) + 1, "8 GiB", "8589934593B"),
            (1 << 60, "1024 PiB", "1024PiB"),
            (u64::MAX, "16384 PiB", "18446744073709551615B"),
        ] {
            assert_eq!(size(bytes), text);
            assert_eq!(exact_size(bytes), exact);
            assert_eq!(super::super::bytes(exact).ok(), Some(bytes));
        }
        assert_eq!(sizes(3 << 10, 1024).0, "3 KiB");
        assert_eq!(sizes(1025, 1024), ("1025B".to_owned(), "1KiB".to_owned()));
    }
}
