//! Standard output, and the border that text for a person crosses on its way to it.

use once_cell::sync::OnceCell;
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter, StdoutLock, Write};

use crate::visible;

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Border {
    /// Text for a person: what controls a terminal is made visible, but for the colours of this program.
    Text,
    /// JSON: the same, as JSON escapes it.
    Json,
}

/// Standard output: what is written comes out when it is flushed, or the buffer is full.
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

    /// Past the border: for bytes that are to arrive as they are, and for what draws on terminals.
    pub(crate) fn raw(&mut self) -> &mut impl Write {
        &mut self.to
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Most text needs no second look.
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

/// Bytes that cross the border. Text comes in whole characters: a byte that is part of none is made visible.
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

/// Text for a person, as it may go to a terminal.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match KEY.get() {
        Some(key) if text.contains(key.as_str()) => {
            let parts: Vec<_> = text.split(key.as_str()).map(visible::lines).collect();
            Cow::Owned(parts.join("\x1b"))
        }
        _ => visible::lines(text),
    }
}

/// What stands for ESC in what this program writes itself. Nobody outside knows it, and so nothing from outside passes for a
/// colour of this program.
static KEY: OnceCell<String> = OnceCell::new();

/// Sequences for the terminal, such as a style, as they get through [`text`].
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
