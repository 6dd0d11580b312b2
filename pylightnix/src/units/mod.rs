//! Durations and sizes as text: how they are read, and how they are written.

mod grammar;
pub mod text;

pub(crate) use grammar::{Misread, bytes, duration};
