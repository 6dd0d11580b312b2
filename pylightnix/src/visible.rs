//! Escapes control characters in untrusted text: those that control a terminal, and those that change the direction of
//! writing.
//!
//! Use it for text that people read. Data for programs stays unchanged.

use std::borrow::Cow;
use std::fmt;

/// Whether a character controls the terminal or the direction of writing.
pub fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Escapes a text that is shown on one line: line breaks and tabs too.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, is_unruly)
}

/// Escapes a text that is shown on several lines: keeps line breaks and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, |c| is_unruly(c) && !matches!(c, '\n' | '\t'))
}

/// Writes the escaped output of `write`, with its lines: for `Display` of reports, which programs print unchanged.
pub(crate) fn report(
    f: &mut fmt::Formatter<'_>,
    write: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
) -> fmt::Result {
    let mut text = String::new();
    write(&mut text)?;
    f.write_str(&lines(&text))
}

fn shown(text: &str, is_hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_seen() {
        let text = "a\x1b[31m\n\tb\u{9b}2J\x7f\u{202e}é日";
        assert_eq!(line(text), r"a\u{1b}[31m\n\tb\u{9b}2J\u{7f}\u{202e}é日");
        assert_eq!(lines(text), "a\\u{1b}[31m\n\tb\\u{9b}2J\\u{7f}\\u{202e}é日");
        assert!(matches!(line("plain é"), Cow::Borrowed("plain é")));
    }
}
