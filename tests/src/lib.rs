//! What the whole-system tests share.

pub mod crafted;
pub mod library;
pub mod line;
pub mod packages;
pub mod picture;
pub mod runs;
pub mod store;
pub mod terminal;
pub mod web;
