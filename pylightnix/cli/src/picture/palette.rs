//! Reduces the number of colours by median cut, after Heckbert, "Color image quantization for frame buffer display" (1982).

use std::collections::HashMap;

use super::pixels::Colour;

/// A palette, and the index of each colour of a picture in it.
pub(super) struct Palette {
    pub(super) colours: Vec<Colour>,
    number_of: HashMap<Colour, usize>,
}

/// A colour with its frequency.
type Counted = (Colour, usize);

impl Palette {
    /// Creates a palette of at most `most` colours; the colours themselves if there are not more.
    pub(super) fn of(colours: impl Iterator<Item = Colour>, most: usize) -> Self {
        let mut counts: HashMap<Colour, usize> = HashMap::new();
        for colour in colours {
            *counts.entry(colour).or_default() += 1;
        }
        let mut counted: Vec<Counted> = counts.into_iter().collect();
        counted.sort_unstable();
        let mut boxes = vec![&mut counted[..]];
        while boxes.len() < most {
            let weighed = boxes.iter().enumerate().map(|(at, one)| (weight(one), at));
            match weighed.max() {
                Some((weight, at)) if weight > 0 => {
                    let (less, more) = cut(boxes.swap_remove(at));
                    boxes.extend([less, more]);
                }
                _ => break,
            }
        }
        let mut palette = Palette {
            colours: Vec::with_capacity(boxes.len()),
            number_of: HashMap::new(),
        };
        for (number, one) in boxes.iter().enumerate() {
            palette.colours.push(middle(one));
            let numbered = one.iter().map(|(colour, _)| (*colour, number));
            palette.number_of.extend(numbered);
        }
        palette
    }

    /// Returns the index of a colour of the picture.
    pub(super) fn number(&self, colour: Colour) -> usize {
        self.number_of.get(&colour).copied().unwrap_or_default()
    }
}

/// Returns the channel with the largest range, and that range.
fn longest(one: &[Counted]) -> (usize, usize) {
    let lengths = (0..3).map(|channel| {
        let values = || one.iter().map(|(colour, _)| colour[channel]);
        let (least, most) = (values().min(), values().max());
        let length = most.unwrap_or_default() - least.unwrap_or_default();
        (usize::from(length), channel)
    });
    lengths.max().unwrap_or_default()
}

fn count(one: &[Counted]) -> usize {
    one.iter().map(|(_, count)| count).sum()
}

/// Returns the gain of cutting a set of colours; 0 for a single colour.
fn weight(one: &[Counted]) -> usize {
    longest(one).0 * count(one)
}

/// Cuts a set of colours in two, with about the same number of pixels in each.
fn cut(one: &mut [Counted]) -> (&mut [Counted], &mut [Counted]) {
    let (_, channel) = longest(one);
    one.sort_unstable_by_key(|(colour, _)| (colour[channel], *colour));
    let half = count(one) / 2;
    let mut so_far = 0;
    let at = one.iter().position(|(_, count)| {
        so_far += count;
        so_far > half
    });
    let at = at.unwrap_or_default().clamp(1, one.len() - 1);
    one.split_at_mut(at)
}

/// Returns the majority colour, or else the mean, so that the background of a plot stays white.
fn middle(one: &[Counted]) -> Colour {
    let all = count(one).max(1);
    if let Some((colour, _)) = one.iter().find(|(_, count)| *count > all / 2) {
        return *colour;
    }
    [0, 1, 2].map(|channel| {
        let sums = one
            .iter()
            .map(|(colour, count)| usize::from(colour[channel]) * count);
        ((sums.sum::<usize>() + all / 2) / all) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stay_and_many_become_like_ones() {
        let few = [[1, 2, 3], [4, 5, 6], [1, 2, 3]];
        let palette = Palette::of(few.into_iter(), 2);
        for colour in few {
            assert_eq!(palette.colours[palette.number(colour)], colour);
        }
        let paper = std::iter::repeat_n([100, 100, 100], 5000);
        let many = (0..=100).flat_map(|a| (0..=100).map(move |b| [a, b, 50]));
        let palette = Palette::of(paper.chain(many.clone()), 64);
        assert_eq!(palette.colours.len(), 64);
        assert_eq!(
            palette.colours[palette.number([100, 100, 100])],
            [100, 100, 100]
        );
        let far = many.map(|colour| {
            let shown = palette.colours[palette.number(colour)];
            (0..3).map(|at| shown[at].abs_diff(colour[at])).max()
        });
        assert!(far.max().flatten().is_some_and(|far| far <= 15));
        assert_eq!(Palette::of(std::iter::empty(), 16).colours.len(), 1);
    }
}
