//! Decodes, scales and encodes PNG files.

use std::io::Cursor;

use png::{ColorType, Decoder, DecodingError, Encoder, EncodingError, Limits, Transformations};

/// The maximum memory for a picture.
const MOST: usize = 256 << 20;

/// A colour: red, green, blue.
pub(super) type Colour = [u8; 3];

/// The pixels of a picture, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) colours: Vec<Colour>,
    /// Whether some pixels are transparent.
    pub(super) is_clear: bool,
}

impl Pixels {
    /// Decodes a PNG file on a white background; of an animation, the first frame.
    pub(super) fn of_png(bytes: &[u8]) -> Result<Self, DecodingError> {
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MOST });
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let size = reader.output_buffer_size().filter(|size| *size <= MOST);
        let mut buffer = vec![0; size.ok_or(DecodingError::LimitsExceeded)?];
        let frame = reader.next_frame(&mut buffer)?;
        let samples = frame.color_type.samples();
        let pixels = buffer[..frame.buffer_size()].chunks_exact(samples);
        let mut is_clear = false;
        let mut on_paper = |value: u8, alpha: u8| {
            is_clear |= alpha < 255;
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        let colours = pixels.map(|pixel| match (frame.color_type, pixel) {
            (ColorType::Rgb, &[red, green, blue]) => [red, green, blue],
            (ColorType::Rgba, &[red, green, blue, alpha]) => {
                [red, green, blue].map(|value| on_paper(value, alpha))
            }
            (ColorType::GrayscaleAlpha, &[gray, alpha]) => [on_paper(gray, alpha); 3],
            (_, pixel) => [pixel.first().copied().unwrap_or_default(); 3],
        });
        let colours = colours.collect();
        Ok(Pixels {
            width: frame.width as usize,
            colours,
            is_clear,
        })
    }

    /// Encodes a PNG file.
    pub(super) fn to_png(&self) -> Result<Vec<u8>, EncodingError> {
        let mut bytes = Vec::new();
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let mut encoder = Encoder::new(&mut bytes, size(self.width), size(self.height()));
        encoder.set_color(ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.colours.as_flattened())?;
        writer.finish()?;
        Ok(bytes)
    }

    pub(super) fn height(&self) -> usize {
        self.colours.len() / self.width.max(1)
    }

    /// Scales the picture down to this size in its proportions; each pixel is the mean of the pixels that it replaces.
    pub(super) fn within(self, width: usize, height: usize) -> Self {
        let (from_width, from_height) = (self.width, self.height());
        if from_width <= width && from_height <= height {
            return self;
        }
        let (width, height) = (width.min(from_width), height.min(from_height));
        let (width, height) = match from_width * height > from_height * width {
            true => (width, from_height * width / from_width),
            false => (from_width * height / from_height, height),
        };
        let (width, height) = (width.max(1), height.max(1));
        let mut colours = Vec::with_capacity(width * height);
        for y in 0..height {
            let lines = y * from_height / height..((y + 1) * from_height / height);
            for x in 0..width {
                let columns = x * from_width / width..((x + 1) * from_width / width);
                let mut sum = [0; 3];
                for line in lines.clone() {
                    for column in columns.clone() {
                        let colour = self.colours[line * from_width + column];
                        for (sum, value) in sum.iter_mut().zip(colour) {
                            *sum += usize::from(value);
                        }
                    }
                }
                let count = (lines.len() * columns.len()).max(1);
                colours.push(sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Pixels {
            width,
            colours,
            is_clear: self.is_clear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_picture_has_the_mean_of_its_pixels() {
        let colours = (0..8 * 4).map(|at| [if at % 8 < 4 { 0 } else { 200 }, at % 2 * 100, 7]);
        let large = Pixels {
            width: 8,
            colours: colours.collect(),
            is_clear: false,
        };
        let small = large.clone().within(2, usize::MAX);
        assert_eq!((small.width, small.height()), (2, 1));
        assert_eq!(small.colours, [[0, 50, 7], [200, 50, 7]]);
        let low = large.clone().within(usize::MAX, 2);
        assert_eq!((low.width, low.height()), (4, 2));
        assert_eq!(large.clone().within(8, 4), large);
        // A very flat picture keeps at least one row.
        let flat = Pixels {
            width: 100,
            colours: vec![[9; 3]; 100],
            is_clear: false,
        };
        assert_eq!(flat.within(10, 10).colours, [[9; 3]; 10]);
    }
}
