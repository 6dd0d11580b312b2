//! What options take: durations, sizes, pairs.

use std::time::Duration;

/// `90s`, `5m`, `2h 30m`, `7d`, `2w`, `500ms`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let fault = || {
        format!(
            "`{text}` is no duration: it is numbers with units, as in `90s`, `1h 30m`, `7d`, `2w`"
        )
    };
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(fault());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| fault())?;
        let after = rest[end..].trim_start();
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        seconds += number
            * match &after[..end] {
                "ms" => 0.001,
                "" if seconds == 0.0 && after.is_empty() => 1.0,
                "s" | "sec" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                "w" | "week" | "weeks" => 604_800.0,
                _ => return Err(fault()),
            };
        rest = after[end..].trim_start();
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| fault())
}

/// `4GiB`, `500MB`, `1024`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    crate::realize::bytes(text).map_err(|error| error.to_string())
}

/// `gpu=2`.
pub(crate) fn resource(text: &str) -> Result<(String, u32), String> {
    let fault = || format!("`{text}` is no resource with its amount, as `gpu=2` is");
    let (name, amount) = text.split_once('=').ok_or_else(fault)?;
    match amount.parse() {
        Ok(amount) if !name.is_empty() => Ok((name.to_owned(), amount)),
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1.5d"), Ok(Duration::from_secs(129_600)));
        assert_eq!(duration("250 ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "h", "1x", "1h 5", "-1s", "1..5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
