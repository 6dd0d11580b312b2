//! Keep every step of an experiment as an immutable, typed, reusable result.

#![warn(unreachable_pub)]
// A library says what it has to say in its results.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// Generated code names the crate as its users do.
extern crate self as pylightnix;

mod error;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub mod config;
pub mod lens;
pub mod plan;
pub mod prelude;
pub mod realize;
pub mod store;

pub use error::{BoxError, Error, ErrorKind};
pub use pylightnix_macros::{Config, stage, track};

/// What functions of this library return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
