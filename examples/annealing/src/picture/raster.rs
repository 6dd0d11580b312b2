//! Supersampling: pictures are drawn larger, averaged, and encoded as PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::SIZE;

/// The supersampling factor in each direction, because the backend antialiases only thin lines.
pub(super) const FINER: u32 = 3;

/// Returns the size of the supersampled drawing.
pub(super) fn fine_size() -> (u32, u32) {
    (px(SIZE.0), px(SIZE.1))
}

/// Converts a length in pixels of the picture to supersampled pixels.
pub(super) fn px(length: u32) -> u32 {
    length * FINER
}

/// Converts a position in pixels of the picture to supersampled pixels.
pub(super) fn place(x: u32, y: u32) -> (i32, i32) {
    (px(x) as i32, px(y) as i32)
}

/// Averages the supersampled pixels; both pictures are RGB bytes.
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
