//! Ready-made stages: data that the program gives, files of this machine, files of servers, archives.
//!
//! Each is a config with its stage, like those that you write, and a function that makes the derivation in one call:
//!
//! | function | its derivation | what it makes |
//! |---|---|---|
//! | [`node`], [`node_files`] | [`DRef<Given<F>>`](Given) | an artifact with a value from the program, or a folder of files |
//! | [`file`](file()), [`file_anew`] | [`DRef<Imported>`](Imported) | a copy of a file or a folder of this machine |
#![cfg_attr(
    feature = "fetch",
    doc = "| [`fetch_url`] | [`DRef<Fetched>`](Fetched) | a file from a server, whose sha256 is known |"
)]
#![cfg_attr(
    feature = "unpack",
    doc = "| [`unpack`] | [`DRef<Unpacked>`](Unpacked) | what is in an archive (zip, tar), or in a compressed file (gz, xz, zst) |"
)]
//!
//! `fetch_url` is there with the feature `fetch`, and `unpack` with the feature `unpack`.
//!
//! What they make has always the same bytes for the same config: `node` and `file` have digests of their contents in it,
//! and `fetch_url` the sha256 that is wanted. So a changed file is another derivation, and no old result is taken for it.
//! The code of these stages is counted by `version`: another release of this library makes nothing stale, unless it would
//! make something else.

#[cfg(feature = "fetch")]
mod fetch;
mod given;
mod import;
#[cfg(feature = "unpack")]
mod unpack;

#[cfg(feature = "fetch")]
pub use fetch::{Fetched, fetch_url};
pub use given::{Given, node, node_files};
pub use import::{Imported, file, file_anew};
#[cfg(feature = "unpack")]
pub use unpack::{Unpacked, unpack};
