//! Removes control characters from text, and shortens it.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::visible;

/// Replaces control characters, line breaks and marks of the direction of writing by U+FFFD.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| {
        if is_unruly(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(plain).collect()
}

/// Applies [`plain`] to each line of a text.
pub(super) fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// Returns whether a character is a control, a mark of direction, a line separator, or not allowed in XML.
fn is_unruly(c: char) -> bool {
    visible::is_unruly(c) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Returns the width in columns of a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Shortens text to `most` columns by cutting its middle: names differ at either end.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let (head, tail) = (room - room / 2, room / 2);
    let start = fitting(text.chars(), head);
    let end = fitting(text.chars().rev(), tail);
    let mut short: String = text.chars().take(start).collect();
    if most > 0 {
        short.push('…');
    }
    short.extend(text.chars().skip(text.chars().count() - end));
    short
}

/// Cuts the end of text to `most` columns.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let fits = fitting(text.chars(), most.saturating_sub(1));
    let start: String = text.chars().take(fits).collect();
    format!("{}…", start.trim_end())
}

/// Returns how many characters fit.
fn fitting(chars: impl Iterator<Item = char>, most: usize) -> usize {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= most
    };
    chars.take_while(fits).count()
}
