//! Standard output, with a filter for control characters in text for people.

use once_cell::sync::OnceCell;
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter, StdoutLock, Write};

use crate::visible;

/// The filter of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Border {
    /// Text for people: control sequences are made visible, except the colours of this program.
    Text,
    /// JSON: control characters are escaped as in JSON.
    Json,
}

/// Buffered standard output.
pub(crate) struct Out {
    to: BufWriter<StdoutLock<'static>>,
    border: Border,
}

impl Out {
    pub(crate) fn new(border: Border) -> Self {
        Out {
            to: BufWriter::with_capacity(32 << 10, io::stdout().lock()),
            border,
        }
    }

    /// Returns a writer without the filter, for raw bytes and for terminal sequences.
    pub(crate) fn raw(&mut self) -> &mut impl Write {
        &mut self.to
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Fast path: most text needs no filter.
        match bytes
            .iter()
            .all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'))
        {
            true => self.to.write_all(bytes)?,
            false => self.to.write_all(passed(bytes, self.border).as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Filters bytes. Text arrives in complete characters: a byte that is not part of one is made visible.
fn passed(bytes: &[u8], border: Border) -> String {
    let mut passed = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        match border {
            Border::Text => passed.push_str(&text(chunk.valid())),
            Border::Json => passed.push_str(&visible::json(chunk.valid())),
        }
        for byte in chunk.invalid() {
            passed.push_str(&format!("\\x{byte:02x}"));
        }
    }
    passed
}

/// Filters text for a terminal.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match KEY.get() {
        Some(key) if text.contains(key.as_str()) => {
            let parts: Vec<_> = text.split(key.as_str()).map(visible::lines).collect();
            Cow::Owned(parts.join("\x1b"))
        }
        _ => visible::lines(text),
    }
}

/// A random key that replaces ESC in the sequences of this program. It is secret, so that untrusted text cannot imitate
/// them.
static KEY: OnceCell<String> = OnceCell::new();

/// Replaces ESC in terminal sequences of this program, such as a style, by the key, so that [`text`] lets them through.
pub(crate) fn own(sequences: impl fmt::Display) -> String {
    let key = KEY.get_or_init(|| {
        let random = RandomState::new().build_hasher().finish();
        format!("\x1b{random:016x}\x1b")
    });
    sequences.to_string().replace('\x1b', key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;

    #[test]
    fn only_own_colours_pass() {
        let red = AnsiColor::Red.on_default();
        let mixed = format!("{}a\x1b[32mb{}", own(red), own(anstyle::Reset));
        assert_eq!(
            text(&mixed),
            format!("{red}a\\u{{1b}}[32mb{}", anstyle::Reset)
        );
        assert_eq!(passed(b"a\xffb\xc2", Border::Text), r"a\xffb\xc2");
        assert_eq!(passed("\"\u{9b}\"".as_bytes(), Border::Json), r#""\u009b""#);
    }
}
