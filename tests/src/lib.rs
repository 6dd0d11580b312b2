//! What the whole-system tests share.

pub mod runs;
pub mod crafted;
pub mod store;
