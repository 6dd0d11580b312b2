//! Pictures in terminals that can show them.
//!
//! kitty's graphics protocol (<https://sw.kovidgoyal.net/kitty/graphics-protocol/>) takes PNG files; the inline images of
//! iTerm2 (<https://iterm2.com/documentation-images.html>) take what the system can decode. Nothing is asked of the
//! terminal: what it is, the environment says.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use super::exit::Done;
use crate::Error;

/// Larger files are not sent through a terminal.
const LARGEST: u64 = 16 << 20;

/// The most bytes of text that kitty takes at once.
const CHUNK: usize = 4096;

/// How the terminal wants pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    Kitty,
    ITerm2,
}

impl Pictures {
    /// What standard output is, if it can show pictures.
    pub(crate) fn of_terminal() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        io::stdout()
            .is_terminal()
            .then(|| Self::of(&variable))
            .flatten()
    }

    /// The same, by the environment.
    fn of(variable: &impl Fn(&str) -> String) -> Option<Self> {
        // Within these, escapes for pictures do not come through.
        if !variable("TMUX").is_empty() || variable("TERM").starts_with("screen") {
            return None;
        }
        let program = variable("TERM_PROGRAM");
        let is_iterm =
            program == "iTerm.app" || program == "WezTerm" || variable("LC_TERMINAL") == "iTerm2";
        let is_kitty = variable("TERM").contains("kitty")
            || !variable("KITTY_WINDOW_ID").is_empty()
            || variable("TERM").contains("ghostty");
        match (is_kitty, is_iterm) {
            (true, _) => Some(Pictures::Kitty),
            (_, true) => Some(Pictures::ITerm2),
            _ => None,
        }
    }

    /// Whether it can show such a file.
    pub(crate) fn can_show(self, path: &str) -> bool {
        let end = path
            .rsplit_once('.')
            .map(|(_, end)| end.to_ascii_lowercase());
        match self {
            Pictures::Kitty => end.as_deref() == Some("png"),
            Pictures::ITerm2 => matches!(end.as_deref(), Some("png" | "jpg" | "jpeg" | "gif")),
        }
    }

    /// Shows a picture.
    pub(crate) fn show(self, path: &Path, out: &mut impl Write) -> Done<()> {
        let refused = |error| Error::io("read", path, error);
        if fs::metadata(path).map_err(refused)?.len() > LARGEST {
            return Ok(writeln!(
                out,
                "{} is too large to be shown",
                path.display()
            )?);
        }
        let bytes = fs::read(path).map_err(refused)?;
        let text = base64(&bytes);
        match self {
            Pictures::ITerm2 => write!(
                out,
                "\x1b]1337;File=inline=1;size={}:{text}\x07",
                bytes.len()
            )?,
            Pictures::Kitty => {
                let mut chunks = text.as_bytes().chunks(CHUNK).peekable();
                let mut control = "f=100,a=T,q=2,";
                while let Some(chunk) = chunks.next() {
                    let more = u8::from(chunks.peek().is_some());
                    write!(out, "\x1b_G{control}m={more};")?;
                    out.write_all(chunk)?;
                    out.write_all(b"\x1b\\")?;
                    control = "";
                }
            }
        }
        Ok(writeln!(out)?)
    }
}

/// Base64 with padding, RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn terminals_are_known_by_the_environment() {
        let with = |set: &'static [(&str, &str)]| {
            Pictures::of(&move |name: &str| {
                set.iter()
                    .find(|(other, _)| *other == name)
                    .map(|(_, value)| (*value).to_owned())
                    .unwrap_or_default()
            })
        };
        assert_eq!(with(&[("TERM", "xterm-kitty")]), Some(Pictures::Kitty));
        assert_eq!(
            with(&[("TERM_PROGRAM", "iTerm.app")]),
            Some(Pictures::ITerm2)
        );
        assert_eq!(with(&[("TERM", "xterm-256color")]), None);
        assert_eq!(with(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), None);
    }
}
