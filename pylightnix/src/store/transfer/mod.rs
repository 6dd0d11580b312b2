//! From store to store over one connection: one side offers what it has, the other answers once what of it it lacks, and one archive
//! follows. [`Offer`] and [`Lacking`] are what goes over the connection before the archive; they are written as deflated text.

mod lacking;
mod offer;

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::{Error, ErrorKind, Result};

pub use lacking::Lacking;
pub use offer::Offer;

/// The most bytes that a message may have once it is inflated: more than one of ten million realizations has.
const MOST: u64 = 4 << 30;

/// Writes a message: its length in eight bytes, the lowest first, and the deflated text.
fn write(text: &str, to: &mut impl Write) -> io::Result<()> {
    let mut deflating = ZlibEncoder::new(Vec::new(), Compression::default());
    deflating.write_all(text.as_bytes())?;
    let bytes = deflating.finish()?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads a message that [`write`] wrote.
fn read(from: &mut impl Read) -> Result<String> {
    let refused = |error: io::Error| {
        let text = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the other store ended the connection",
            _ => "what the other store says cannot be read",
        };
        Error::new(ErrorKind::Remote, text).because(error)
    };
    let mut length = [0; 8];
    from.read_exact(&mut length).map_err(refused)?;
    let length = u64::from_le_bytes(length);
    let mut text = String::new();
    let mut packed = from.take(length);
    let mut inflating = ZlibDecoder::new(&mut packed).take(MOST);
    inflating.read_to_string(&mut text).map_err(refused)?;
    match packed.limit() {
        0 => Ok(text),
        _ => Err(not_understood("it has more bytes than it says")),
    }
}

/// Returns the error for a message that is not understood.
fn not_understood(why: &str) -> Error {
    let text = format!("what the other store says is not understood: {why}");
    Error::new(ErrorKind::Remote, text)
        .with_help("see whether both sides have the same version of pylightnix")
}
