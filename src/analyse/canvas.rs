//! A picture with few colours, and what is drawn on it.

use std::io::Write;

use super::font;

/// Pixels from the left and from the top.
pub(super) type Point = (usize, usize);

/// The colours of a plot; their order is that of the picture's palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Paper,
    Ink,
    Faint,
    Level,
    Threshold,
    Speech,
    Network,
    Single,
    Key,
    Music,
    Noise,
}

/// Red, green and blue of each colour.
const PALETTE: [(Colour, [u8; 3]); 11] = [
    (Colour::Paper, [255, 255, 255]),
    (Colour::Ink, [30, 34, 42]),
    (Colour::Faint, [208, 212, 218]),
    (Colour::Level, [70, 110, 170]),
    (Colour::Threshold, [200, 60, 50]),
    (Colour::Speech, [222, 240, 222]),
    (Colour::Network, [255, 226, 186]),
    (Colour::Single, [250, 208, 214]),
    (Colour::Key, [255, 214, 90]),
    (Colour::Music, [228, 218, 246]),
    (Colour::Noise, [236, 238, 240]),
];

/// The picture.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// An empty sheet.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![Colour::Paper as u8; width * height] }
    }

    /// Fills a rectangle between two corners, the second exclusive; what is outside is left out.
    pub(super) fn fill(&mut self, from: Point, to: Point, colour: Colour) {
        let (left, right) = (from.0.min(self.width), to.0.min(self.width));
        for row in from.1..to.1.min(self.height) {
            let start = row * self.width;
            if let Some(pixels) = self.pixels.get_mut(start + left..start + right.max(left)) {
                pixels.fill(colour as u8);
            }
        }
    }

    /// Writes text with its upper left corner at a place, each pixel `scale` wide and high, and cuts
    /// it at `right`. Returns where it ends.
    pub(super) fn text(
        &mut self,
        at: Point,
        text: &str,
        scale: usize,
        right: usize,
        colour: Colour,
    ) -> usize {
        let mut left = at.0;
        for character in text.chars() {
            if left + font::WIDTH * scale > right {
                break;
            }
            for (row, bits) in font::glyph(character).iter().enumerate() {
                let top = at.1 + (row + font::drop(character)) * scale;
                for column in (0..font::WIDTH).filter(|c| bits >> (font::WIDTH - 1 - c) & 1 == 1) {
                    let from = (left + column * scale, top);
                    self.fill(from, (from.0 + scale, top + scale), colour);
                }
            }
            left += advance(scale);
        }
        left
    }

    /// Writes the picture as PNG.
    pub(super) fn write(&self, to: impl Write) -> Result<(), png::EncodingError> {
        let size = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(to, size(self.width), size(self.height));
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(PALETTE.iter().flat_map(|(_, rgb)| *rgb).collect::<Vec<u8>>());
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
    }
}

/// Pixels from one letter to the next.
pub(super) fn advance(scale: usize) -> usize {
    (font::WIDTH + 1) * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_in_the_palette_where_their_numbers_say() {
        for (index, (colour, _)) in PALETTE.iter().enumerate() {
            assert_eq!(*colour as usize, index);
        }
    }

    #[test]
    fn what_is_drawn_is_in_the_file_as_another_reader_sees_it() {
        let mut canvas = Canvas::new(20, 9);
        let end = canvas.text((1, 1), "I", 1, 20, Colour::Ink);
        assert_eq!(end, 7);
        canvas.fill((15, 0), (99, 99), Colour::Key);
        let mut file = Vec::new();
        canvas.write(&mut file).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (20, 9));
        let at = |x: usize, y: usize| &pixels[(y * 20 + x) * 3..][..3];
        assert_eq!(at(0, 0), [255, 255, 255]);
        assert_eq!(at(3, 4), [30, 34, 42], "the stem of the letter");
        assert_eq!(at(19, 8), [255, 214, 90]);
    }

    #[test]
    fn text_that_does_not_fit_is_cut() {
        let mut canvas = Canvas::new(30, 8);
        assert_eq!(canvas.text((0, 0), "long text", 1, 13, Colour::Ink), 12);
        assert_eq!(canvas.text((29, 7), "x", 2, 500, Colour::Ink), 29 + advance(2));
    }
}
