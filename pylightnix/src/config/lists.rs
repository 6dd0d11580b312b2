//! The number of round trips through JSON that detect a set whose items have a random order.

use std::num::NonZero;

/// The limit, in bytes, on the text that round trips after the first one read and write.
const MOST: usize = 64 << 20;

/// The lists in a text that may be sets. Only the length of the shortest one matters.
///
/// A hash set has another order in each round trip. A short one may keep its order by chance: one of two items does so in
/// every second round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lists {
    /// The number of items in the shortest list of two or more.
    shortest: Option<NonZero<usize>>,
}

impl Lists {
    /// Notes a list with this number of items.
    pub(crate) fn note(&mut self, items: usize) {
        if let Some(items) = NonZero::new(items).filter(|items| items.get() >= 2) {
            let shortest = self.shortest.get_or_insert(items);
            *shortest = items.min(*shortest);
        }
    }

    /// Returns the number of round trips for a text with these lists and this number of bytes.
    pub(crate) fn round_trips(self, bytes: usize) -> usize {
        let round_trips = match self.shortest.map(NonZero::get) {
            None => 1,
            Some(2) => 24,
            Some(3) => 10,
            Some(4) => 6,
            Some(_) => 4,
        };
        round_trips.min(1 + MOST / bytes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trips(lists: &[usize], bytes: usize) -> usize {
        let mut noted = Lists::default();
        lists.iter().for_each(|items| noted.note(*items));
        noted.round_trips(bytes)
    }

    #[test]
    fn short_lists_take_many_times() {
        assert_eq!(round_trips(&[], 100), 1);
        assert_eq!(round_trips(&[0, 1], 100), 1);
        assert_eq!(round_trips(&[5, 2, 1, 900], 100), 24);
        assert_eq!(round_trips(&[4, 3], 100), 10);
        assert_eq!(round_trips(&[900], 100), 4);
    }

    #[test]
    fn long_texts_take_few() {
        assert_eq!(round_trips(&[2], 32 << 20), 3);
        assert_eq!(round_trips(&[2], 1 << 30), 1);
    }
}
