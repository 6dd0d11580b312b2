//! Parses the values of options: durations, sizes, pairs.

use std::time::Duration;

use pylightnix::realize;

/// Parses a duration: `90s`, `2h 30m`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    realize::parse_duration(text).map_err(|error| format!("{error:?}"))
}

/// Parses a size: `4GiB`, `500MB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    realize::parse_bytes(text).map_err(|error| format!("{error:?}"))
}

/// Parses an amount of a resource: `gpu=2`.
pub(crate) fn resource(text: &str) -> Result<(String, u32), String> {
    let fault = || format!("`{text}` is not a resource with an amount, such as `gpu=2`");
    let (name, amount) = text.split_once('=').ok_or_else(fault)?;
    match amount.parse() {
        Ok(amount) if !name.is_empty() => Ok((name.to_owned(), amount)),
        _ => Err(fault()),
    }
}
