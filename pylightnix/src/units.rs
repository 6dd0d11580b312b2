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
