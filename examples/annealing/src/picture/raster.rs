//! Pixels: drawn fine, averaged, and written as PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use pylightnix::track;

use super::SIZE;

/// Each pixel is the mean of so many by so many drawn ones: the backend smooths only thin lines.
pub(super) const FINER: u32 = 3;

/// The size of what is drawn.
pub(super) fn fine_size() -> (u32, u32) {
    (px(SIZE.0), px(SIZE.1))
}

/// A length in pixels of the picture, in drawn ones.
pub(super) fn px(length: u32) -> u32 {
    length * FINER
}

/// A place in pixels of the picture, in drawn ones.
pub(super) fn place(x: u32, y: u32) -> (i32, i32) {
    (px(x) as i32, px(y) as i32)
}

/// The drawn pixels, made into those of the picture; both have a byte for each of red, green and blue.
#[track]
pub(super) fn mean(fine: &[u8]) -> Vec<u8> {
    let (finer, line) = (FINER as usize, 3 * fine_size().0 as usize);
    fine.chunks_exact(line * finer)
        .flat_map(|lines| (0..line / finer).map(move |byte| (lines, byte)))
        .map(|(lines, byte)| {
            let first = byte / 3 * 3 * finer + byte % 3;
            let sum: usize = (0..finer * finer)
                .map(|i| usize::from(lines[i / finer * line + first + i % finer * 3]))
                .sum();
            (sum / (finer * finer)) as u8
        })
        .collect()
}

/// Writes the picture.
pub(super) fn write(path: &Path, pixels: &[u8]) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}
