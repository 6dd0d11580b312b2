//! Makes control characters in text from outside visible: as the library does, and for JSON.

use std::borrow::Cow;

pub(crate) use pylightnix::internal::{is_unruly, line, lines};

/// Escapes control characters in JSON text. They can only be inside strings, where JSON has already escaped the others.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let is_raw = |c| is_unruly(c) && !matches!(c, '\n' | '\t' | '\r');
    if !text.contains(is_raw) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_raw(c) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same() {
        let text = "\x1b\x7f\u{9b}\u{202e}\n\"\\é";
        let written = serde_json::to_string(text).unwrap();
        let escaped = json(&written);
        assert!(!escaped.contains(is_unruly), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
    }
}
