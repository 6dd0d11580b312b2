//! Shows pictures in terminals that support them.
//!
//! kitty's graphics protocol (<https://sw.kovidgoyal.net/kitty/graphics-protocol/>) takes PNG files; the inline images of
//! iTerm2 (<https://iterm2.com/documentation-images.html>) take formats that the system can decode. Environment variables
//! identify these terminals. Others are queried for sixel support; sixels are made from PNG files here. PNG files
//! wider than the terminal are made smaller.

mod ask;
mod palette;
mod pixels;
mod sixel;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use rustix::termios::{Winsize, tcgetwinsize};

use crate::exit::CommandResult;
use crate::visible;
use ask::Sixels;
use pixels::Pixels;
use pylightnix::Error;
use pylightnix::internal::read_regular;

/// The maximum size of a file that is sent to a terminal.
const LARGEST: u64 = 16 << 20;

/// The maximum length of a chunk of text in kitty's protocol.
const CHUNK: usize = 4096;

/// The assumed width of a cell in pixels, if the terminal does not report it.
const CELL: usize = 8;

/// The picture protocol of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    Kitty,
    ITerm2,
    Sixel(Sixels),
}

/// Returns whether a file of this name is a picture that some terminal can show.
pub(crate) fn is_picture(path: &str) -> bool {
    matches!(&*ending(path), "png" | "jpg" | "jpeg" | "gif")
}

fn ending(path: &str) -> String {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.unwrap_or_default().to_ascii_lowercase()
}

impl Pictures {
    /// Detects the protocol of standard output. May send a query through `out`.
    pub(crate) fn of_terminal(out: &mut impl Write) -> CommandResult<Option<Self>> {
        if !io::stdout().is_terminal() {
            return Ok(None);
        }
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        match Self::of(&variable) {
            Some(known) => Ok(Some(known)),
            None => Ok(ask::sixels(out)?.map(Pictures::Sixel)),
        }
    }

    /// Detects the protocol from environment variables.
    fn of(variable: &impl Fn(&str) -> String) -> Option<Self> {
        // tmux and screen interpret sequences themselves, whatever the outer terminal supports; they answer queries.
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

    /// Returns whether the protocol can show this type of file.
    pub(crate) fn can_show(self, path: &str) -> bool {
        match self {
            Pictures::Kitty | Pictures::Sixel(_) => ending(path) == "png",
            Pictures::ITerm2 => is_picture(path),
        }
    }

    /// Shows a picture, or prints why it cannot.
    pub(crate) fn show(self, path: &Path, out: &mut impl Write) -> CommandResult<()> {
        let refused = |error| Error::io("read", path, error);
        if fs::metadata(path).map_err(refused)?.len() > LARGEST {
            return cannot(path, "it is too large", out);
        }
        let bytes = read_regular(path).map_err(refused)?;
        if ending(&path.to_string_lossy()) != "png" {
            iterm2(&bytes, out)?;
            return Ok(writeln!(out)?);
        }
        // Terminals do not report pictures that they cannot decode.
        let pixels = match Pixels::of_png(&bytes) {
            Ok(pixels) => pixels,
            Err(error) => return cannot(path, error, out),
        };
        let (width, height) = self.largest();
        if let Pictures::Sixel(sixels) = self {
            sixel::write(&pixels.within(width, height), sixels.colours, out)?;
            return Ok(writeln!(out)?);
        }
        // Terminals differ for pictures that are too wide, and transparent plots would be black on black.
        let bytes = match pixels.is_clear || pixels.width > width {
            true => match pixels.within(width, height).to_png() {
                Ok(bytes) => bytes,
                Err(error) => return cannot(path, error, out),
            },
            false => bytes,
        };
        match self {
            Pictures::Kitty => kitty(&bytes, out)?,
            _ => iterm2(&bytes, out)?,
        }
        Ok(writeln!(out)?)
    }

    /// Returns the width and the height in pixels of the largest picture.
    fn largest(self) -> (usize, usize) {
        match self {
            Pictures::Sixel(Sixels {
                largest: Some((width, height)),
                ..
            }) => (width.min(terminal_width()), height),
            _ => (terminal_width(), usize::MAX),
        }
    }
}

fn cannot(path: &Path, why: impl std::fmt::Display, out: &mut impl Write) -> CommandResult<()> {
    let text = format!("cannot show {}: {why}", path.display());
    Ok(writeln!(out, "{}", visible::line(&text))?)
}

/// Returns the width of standard output in pixels.
fn terminal_width() -> usize {
    let size = tcgetwinsize(io::stdout()).ok();
    let of = |part: fn(&Winsize) -> u16| size.as_ref().map_or(0, |size| usize::from(part(size)));
    match (of(|size| size.ws_xpixel), of(|size| size.ws_col)) {
        (0, 0) => 80 * CELL,
        (0, columns) => columns * CELL,
        (pixels, _) => pixels,
    }
}

/// Sends a file to iTerm2.
fn iterm2(bytes: &[u8], out: &mut impl Write) -> CommandResult<()> {
    write!(out, "\x1b]1337;File=inline=1;size={}:", bytes.len())?;
    Ok(write!(out, "{}\x07", BASE64_STANDARD.encode(bytes))?)
}

/// Sends a PNG file to kitty.
fn kitty(bytes: &[u8], out: &mut impl Write) -> CommandResult<()> {
    let text = BASE64_STANDARD.encode(bytes);
    let mut chunks = text.as_bytes().chunks(CHUNK).peekable();
    let mut control = "f=100,a=T,q=2,";
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        write!(out, "\x1b_G{control}m={more};")?;
        out.write_all(chunk)?;
        out.write_all(b"\x1b\\")?;
        control = "";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
