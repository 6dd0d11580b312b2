//! Times and amounts of memory, as people write them.

use std::time::Duration;

/// A time in its two largest units: "2h 30m", "1m 5s", "1.5 s", "20 ms".
pub(crate) fn time(time: Duration) -> String {
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

/// The units of memory, in bytes, the largest of each sort last.
const MEMORY: [(&str, u64); 9] = [
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// An amount of memory in its largest unit: "8GiB", "1.5MiB".
pub(crate) fn memory(bytes: u64) -> String {
    let fits = |(_, size): &&(&str, u64)| *size <= bytes;
    let (unit, size) = MEMORY[4..].iter().rev().find(fits).unwrap_or(&("B", 1));
    let hundredths = u128::from(bytes) * 100 / u128::from(*size);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}{unit}"),
        (whole, part) => format!(
            "{whole}.{}{unit}",
            format!("{part:02}").trim_end_matches('0')
        ),
    }
}

/// The bytes in a text like "8GiB".
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let (_, size) = MEMORY.iter().find(|(name, _)| *name == unit.trim())?;
    let (whole, part) = match number.trim().split_once('.') {
        Some(parts) => parts,
        None => (number.trim(), "0"),
    };
    let scale = 10_u64.checked_pow(part.len().try_into().ok()?)?;
    let part = u128::from(digits(part)?) * u128::from(*size) / u128::from(scale);
    u64::try_from(u128::from(digits(whole)?) * u128::from(*size) + part).ok()
}

/// `parse` alone allows a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
