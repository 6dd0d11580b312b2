//! Finds the part of a value that does not fit its type.

use serde_json::value::RawValue;

use super::changes::inside;
use super::field_path::joined;

/// Returns the path of the part of `value` at which serde_json stopped with `error`. `path` is the path of `value`.
///
/// The line and column of `error` say how far serde_json had read: for a list or an object, up to its beginning.
pub(super) fn path_of(path: &str, value: &RawValue, error: &serde_json::Error) -> String {
    let mut path = path.to_owned();
    let text = value.get();
    // In serde_json, `\n` ends a line and columns count bytes.
    let lines = text.split_inclusive('\n').take(error.line().max(1) - 1);
    let looked_at = lines.map(str::len).sum::<usize>() + error.column();
    let place = |part: &RawValue| (part.get().as_ptr() as usize) - (text.as_ptr() as usize);
    let mut value = value;
    while let Some(parts) = inside(value) {
        let found = parts.into_iter().find(|(_, part)| {
            let start = place(part);
            start <= looked_at && looked_at <= start + part.get().len()
        });
        match found {
            Some((step, part)) => {
                path = joined(&path, &step);
                value = part;
            }
            None => break,
        }
    }
    path
}
