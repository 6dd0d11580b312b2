//! Durations and amounts of memory as text.

mod grammar;

use std::time::Duration;

pub(crate) use grammar::{Misread, bytes, duration};

/// Formats a duration with its two largest units: "2h 30m", "1m 5s", "1.5 s", "20 ms".
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{lesser}"),
    };
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{} s", (time.as_secs_f64() * 10.).round() / 10.),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86400, "d", seconds % 86400 / 3600, "h"),
    }
}

/// The units of memory, in bytes, the largest first.
const MEMORY: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Formats an amount of memory in its largest unit: "8GiB", "1.5MiB".
pub(crate) fn memory(bytes: u64) -> String {
    let fits = |(_, size): &&(&str, u64)| *size <= bytes;
    let (unit, size) = MEMORY.iter().find(fits).unwrap_or(&("B", 1));
    let hundredths = u128::from(bytes) * 100 / u128::from(*size);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}{unit}"),
        (whole, part) => format!(
            "{whole}.{}{unit}",
            format!("{part:02}").trim_end_matches('0')
        ),
    }
}
