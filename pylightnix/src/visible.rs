//! Text from outside, made fit to be shown: what controls a terminal or turns the direction of writing is made visible.
//!
//! It is for text that a person reads. Data for programs stay as they are.

use std::borrow::Cow;
use std::fmt;

/// Whether a character does something to the place where it is shown, instead of being shown.
pub fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// As one line: breaks of lines and tabs are made visible, too.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, is_unruly)
}

/// With its lines and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, |c| is_unruly(c) && !matches!(c, '\n' | '\t'))
}

/// What `write` writes, with its lines: for reports of the library that are printed as they are.
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
