//! Parsing and formatting durations and sizes.

mod grammar;
pub mod text;

pub(crate) use grammar::{Misread, bytes, duration};
