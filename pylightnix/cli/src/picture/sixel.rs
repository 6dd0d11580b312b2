//! Encodes pictures as sixels: text for six rows of pixels at a time.
//!
//! The format is that of DEC's terminals, "VT330/VT340 Programmer Reference Manual, Volume 2: Graphics Programming" (1988),
//! chapter 14 (<https://vt100.net/docs/vt3xx-gp/chapter14.html>). Colour components are percentages.
//!
//! The crate `icy_sixel` 0.7 is an alternative, but adds 35 crates as dependencies, by way of `quantette`.

use std::io::{self, Write};

use super::palette::Palette;
use super::pixels::{Colour, Pixels};

/// The number of rows of pixels in a row of sixels.
const SIX: usize = 6;

/// Writes a picture with at most `colours` colours.
pub(super) fn write(pixels: &Pixels, colours: usize, out: &mut impl Write) -> io::Result<()> {
    let hundredth = |value: u8| ((u32::from(value) * 100 + 127) / 255) as u8;
    let shown: Vec<Colour> = pixels
        .colours
        .iter()
        .map(|colour| colour.map(hundredth))
        .collect();
    let palette = Palette::of(shown.iter().copied(), colours);
    // Square pixels, and the size of the picture.
    write!(out, "\x1bP0;1q\"1;1;{};{}", pixels.width, pixels.height())?;
    for (number, [red, green, blue]) in palette.colours.iter().enumerate() {
        write!(out, "#{number};2;{red};{green};{blue}")?;
    }
    for (at, lines) in shown.chunks(pixels.width.max(1) * SIX).enumerate() {
        if at > 0 {
            out.write_all(b"-")?;
        }
        // For each colour in these rows, the pixels that have it.
        let mut sixels = vec![Vec::new(); palette.colours.len()];
        for (y, line) in lines.chunks(pixels.width.max(1)).enumerate() {
            for (x, colour) in line.iter().enumerate() {
                let of_colour = &mut sixels[palette.number(*colour)];
                if of_colour.is_empty() {
                    of_colour.resize(pixels.width, 0_u8);
                }
                of_colour[x] |= 1 << y;
            }
        }
        let there = sixels.iter().enumerate().filter(|(_, one)| !one.is_empty());
        for (nth, (number, sixels)) in there.enumerate() {
            // Carriage return.
            let back = if nth > 0 { "$" } else { "" };
            write!(out, "{back}#{number}")?;
            write_line(sixels, out)?;
        }
    }
    out.write_all(b"\x1b\\")
}

/// Writes one colour of a row of sixels.
fn write_line(sixels: &[u8], out: &mut impl Write) -> io::Result<()> {
    for same in sixels.chunk_by(|one, other| one == other) {
        let letter = char::from(b'?' + same[0]);
        match same.len() {
            few @ 1..=3 => write!(out, "{}", letter.to_string().repeat(few))?,
            many => write!(out, "!{many}{letter}")?,
        }
    }
    Ok(())
}
