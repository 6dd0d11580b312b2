//! Keep every step of an experiment as an immutable, typed, reusable result.

mod error;

pub mod config;
pub mod store;

pub use error::{BoxError, Error, ErrorKind};

/// What functions of this library return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
