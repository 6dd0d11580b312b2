//! Keys, by which matchers compare candidates.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

/// A value by which candidates are compared: a number, a text, a tuple of keys, [`Reverse`] of a key, or [`Ordered`] of any
/// `Ord` type.
///
/// Floats are compared by `total_cmp`. NaN and `None` are never chosen.
#[diagnostic::on_unimplemented(
    message = "candidates cannot be compared by `{Self}`",
    label = "not a key",
    note = "a key is a number, a text, a bool, a tuple of keys, an `Option` or `Reverse` of one; wrap any other `Ord` type \
            in `Ordered(..)`"
)]
pub trait Key {
    /// Compares two keys.
    fn order(&self, other: &Self) -> Ordering;

    /// Returns whether a candidate with this key can be chosen.
    fn can_be_chosen(&self) -> bool {
        true
    }
}

/// A key of any `Ord` type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordered<T>(pub T);

impl<T: Ord> Key for Ordered<T> {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

macro_rules! ord_keys {
    ($($key:ty),* $(,)?) => {$(
        impl Key for $key {
            fn order(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        }
    )*};
}

ord_keys!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    bool,
    char,
    String,
    &'static str,
    Duration,
);

macro_rules! float_keys {
    ($($key:ty),*) => {$(
        impl Key for $key {
            fn order(&self, other: &Self) -> Ordering {
                self.total_cmp(other)
            }

            fn can_be_chosen(&self) -> bool {
                !self.is_nan()
            }
        }
    )*};
}

float_keys!(f32, f64);

impl<K: Key> Key for Reverse<K> {
    fn order(&self, other: &Self) -> Ordering {
        other.0.order(&self.0)
    }

    fn can_be_chosen(&self) -> bool {
        self.0.can_be_chosen()
    }
}

impl<K: Key> Key for Option<K> {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Some(one), Some(two)) => one.order(two),
            _ => self.is_some().cmp(&other.is_some()),
        }
    }

    fn can_be_chosen(&self) -> bool {
        self.as_ref().is_some_and(Key::can_be_chosen)
    }
}

macro_rules! tuple_keys {
    ($($part:ident $at:tt),*) => {
        impl<$($part: Key),*> Key for ($($part,)*) {
            fn order(&self, other: &Self) -> Ordering {
                Ordering::Equal$(.then_with(|| self.$at.order(&other.$at)))*
            }

            fn can_be_chosen(&self) -> bool {
                true $(&& self.$at.can_be_chosen())*
            }
        }
    };
}

tuple_keys!(A 0, B 1);
tuple_keys!(A 0, B 1, C 2);
tuple_keys!(A 0, B 1, C 2, D 3);
