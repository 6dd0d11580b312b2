//! What options take: durations, sizes, pairs.

use std::time::Duration;

use pylightnix::realize;

/// `90s`, `2h 30m`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    realize::duration(text).map_err(|error| format!("{error:?}"))
}

/// `4GiB`, `500MB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    realize::bytes(text).map_err(|error| format!("{error:?}"))
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
