//! What the whole-system tests share.

pub mod runs;
pub mod store;
