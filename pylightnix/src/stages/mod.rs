//! Ready-made stages for values from the program, local files, downloads and archives.
//!
//! Each is a config with a stage, like those that you write, and a function that makes the derivation in one call:
//!
//! | function | derivation | result |
//! |---|---|---|
//! | [`node`], [`node_files`] | [`DRef<Given<F>>`](Given) | an artifact with a value from the program, or a folder of files |
//! | [`file`](file()), [`file_anew`] | [`DRef<Imported>`](Imported) | a copy of a file or a folder of this machine |
#![cfg_attr(
    feature = "fetch",
    doc = "| [`fetch_url`] | [`DRef<Fetched>`](Fetched) | a downloaded file with a known SHA-256 digest |"
)]
#![cfg_attr(
    feature = "unpack",
    doc = "| [`unpack`] | [`DRef<Unpacked>`](Unpacked) | the content of an archive (zip, tar), or of a compressed file (gz, xz, zst) |"
)]
//!
//! `fetch_url` needs the feature `fetch`, and `unpack` the feature `unpack`.
//!
//! Equal configs always give equal bytes: the configs of `node` and `file` contain digests of the contents, and that of
//! `fetch_url` the expected SHA-256 digest. So a changed file is another derivation, and old results are never used for it.
//! The code of these stages is identified by a `version`: a new release of this library makes results stale only if it would
//! make different ones.

#[cfg(feature = "fetch")]
mod fetch;
mod given;
mod import;
#[cfg(feature = "unpack")]
mod unpack;

#[cfg(feature = "fetch")]
pub use fetch::{Fetched, fetch_url};
pub use given::{Given, node, node_files, node_with};
pub use import::{Imported, file, file_anew, file_expecting, file_named};
pub(crate) use import::{imported, imported_from};
#[cfg(feature = "unpack")]
pub use unpack::{Unpacked, unpack};
