//! Cleans captured output, so that each line can be shown in one line of a terminal.

use crate::visible::is_unruly;

/// The length at which an incomplete line is cut and shown.
const LONGEST: usize = 16 << 10;

/// Cuts output into lines.
#[derive(Default)]
pub(crate) struct LineSplitter(Vec<u8>);

impl LineSplitter {
    /// Adds output, and returns the lines that are complete now.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                lines.extend(self.rest());
            } else {
                self.0.push(byte);
                if self.0.len() >= LONGEST {
                    lines.extend(self.rest());
                }
            }
        }
        lines
    }

    /// Takes the incomplete line at the end, if there is one.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.0);
        Some(visible(&String::from_utf8_lossy(&line), true))
    }

    /// Returns whether there is an incomplete line.
    pub(crate) fn has_rest(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Returns what a terminal would show of a line, without sequences that move the cursor or ring the bell. Of a line that was
/// overwritten, only the last text is left. Colours are kept if `colors` is set, and reset at the end.
pub(crate) fn visible(line: &str, colors: bool) -> String {
    let parts = line.trim_end_matches('\r').rsplit('\r');
    let line = parts.into_iter().next().unwrap_or_default();
    let mut shown = String::with_capacity(line.len());
    let mut colored = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => match rest.next() {
                Some('[') => {
                    let mut sequence = String::new();
                    let end = rest.find(|c| {
                        sequence.push(*c);
                        ('@'..='~').contains(c)
                    });
                    if end == Some('m') && colors {
                        colored = true;
                        shown.push_str("\x1b[");
                        shown.push_str(&sequence);
                    }
                }
                // A title or a link, up to a bell or `ESC \`.
                Some(']') => {
                    while let Some(c) = rest.next() {
                        if c == '\x07' || (c == '\x1b' && rest.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => shown.push_str("    "),
            c if c.is_control() => {}
            // Marks that change the direction of writing could disguise the text.
            c if is_unruly(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    if colored {
        shown.push_str("\x1b[0m");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_bytes_are() {
        let text = "one\ntwo é\r\n\nlast".as_bytes();
        for at in 0..text.len() {
            let mut cutter = LineSplitter::default();
            let mut lines = cutter.add(&text[..at]);
            lines.extend(cutter.add(&text[at..]));
            assert_eq!(lines, ["one", "two é", ""]);
            assert_eq!(cutter.rest().as_deref(), Some("last"));
        }
    }

    #[test]
    fn only_colours_stay() {
        assert_eq!(visible("10%\r20%\r30%\r", true), "30%");
        assert_eq!(
            visible("\x1b[2J\x1b[1;31mred\x07", true),
            "\x1b[1;31mred\x1b[0m"
        );
        assert_eq!(visible("\x1b[1;31mred\x1b[5A", false), "red");
        assert_eq!(
            visible("\x1b]0;title\x07a\x1b]8;;x\x1b\\b\tc", true),
            "ab    c"
        );
        assert_eq!(visible("\x1b", true), "");
        assert_eq!(visible("a\u{202e}b\u{9b}", true), "a\\u{202e}b");
    }
}
