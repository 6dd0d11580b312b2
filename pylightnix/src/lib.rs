//! Keep every step of an experiment as an immutable, typed, reusable result.
//!
//! An experiment is a row of steps. They take hours, some give another result each time, and they change while you work.
//! Pylightnix keeps the result of each step in a *store*, a plain folder in which nothing that is published ever changes:
//! what is there and still valid is reused, what is missing or was made by other code is made again, and results that
//! differ are all kept, for a *matcher* to choose among. It is the system of the Python package [pylightnix], with the same
//! references; here the compiler checks how the steps are joined.
//!
//! [pylightnix]: https://pypi.org/project/pylightnix/
//!
//! # An example
//!
//! A step is a *stage*: a struct with `#[derive(Config)]`, which says what identifies it, and a function with
//! [`#[stage]`](stage), which makes it.
//!
//! ```standalone_crate
//! use pylightnix::prelude::*;
//!
//! /// Some numbers.
//! #[derive(Config)]
//! pub struct Numbers {
//!     #[selfref("numbers.json")] // a promise: an artifact that the stage makes
//!     pub out: SelfRef<Json<Vec<f64>>>,
//!     pub count: u32, // a parameter
//! }
//!
//! #[stage]
//! fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
//!     let numbers = (0..b.count).map(f64::from).collect();
//!     Ok(NumbersOutputs { out: b.out.save(&numbers)? })
//! }
//!
//! /// Their mean.
//! #[derive(Config)]
//! pub struct Mean {
//!     #[selfref("mean.json")]
//!     pub out: SelfRef<Json<f64>>,
//!     #[dref] // a dependency: another stage
//!     pub numbers: DRef<Numbers>,
//! }
//!
//! #[stage]
//! fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
//!     let numbers = b.numbers.out.load()?; // a `Vec<f64>`, as the config of `Numbers` says
//!     Ok(MeanOutputs { out: b.out.save(&(numbers.iter().sum::<f64>() / f64::from(b.numbers.count)))? })
//! }
//!
//! # fn main() -> Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("store");
//! let store = Store::open(folder)?;
//! let plan = instantiate(Mean::new(instantiate(Numbers::new(5))?))?; // nothing has run yet
//! let mean = store.realize(&plan)?; // both stages run
//! assert_eq!(mean.out.load()?, 2.0);
//!
//! let (same, report) = Realize::new(&store).run_reporting(&plan)?; // nothing runs
//! assert_eq!(same, mean);
//! assert_eq!(report.to_string(), "nothing to build: all 2 stages reused");
//! # Ok(()) }
//! ```
//!
//! # What is where
//!
//! `use pylightnix::prelude::*;` brings what an experiment usually needs. For the rest, by concern:
//!
//! | module | what is in it |
//! |---|---|
//! | [`plan`] | derivations ([`DRef`](plan::DRef)), [`instantiate`](plan::instantiate), targets, and the [matchers](plan::matcher) |
//! | [`lens`] | a config's fields in a running stage ([`Build`](lens::Build)) and in a result ([`RRef`](lens::RRef)); artifacts and their [formats](lens::format) |
//! | [`stages`] | ready-made stages: values of the program, files of this machine, files of servers, archives |
//! | [`realize`] | runs and their options ([`Realize`](realize::Realize)), dry runs with reasons, observers, [stepping](realize::Stepping), acceptance of old results |
//! | [`store`] | the [`Store`](store::Store) on disk: realizations, build records, archives; it knows bytes and references, nothing of stages |
//! | [`config`] | references ([`DRefId`](config::DRefId), [`RRefId`](config::RRefId)) and the canonical JSON of configs |
//!
//! The macros are [`#[derive(Config)]`](derive@Config), [`#[stage]`](stage) and [`#[track]`](track), which makes the code of a
//! helper a part of the stages that use it. Functions of this library return [`Error`]; stages may return any error.
//!
//! # Features
//!
//! - `fetch`: the stage `fetch_url`, files from servers.
//! - `npy`: the format `Npy<T>`, arrays of `ndarray` as NumPy's files.
//! - `signals`: Ctrl-C stops runs, `realize::Cancel::on_signals`.
//! - `tracing`: spans for stages, and what they log through `tracing` in the logs of their builds, `pylightnix::trace`.
//! - `unpack`: the stage `unpack`, archives and compressed files of other programs.
//!
//! The crate `pylightnix-cli` is the command line, for programs with an experiment and as the program `pylightnix` for any store, and
//! has what a run shows while it goes.
//!
//! # Types of other crates
//!
//! Where a type of another crate is in a signature of this one, that crate is re-exported, in the version that fits: `jiff`
//! (times), `uuid` (of build records), `serde_json` (values in them), and with the feature `npy` `ndarray`. Traits of `serde`
//! and, with the feature `tracing`, of `tracing-subscriber` are in bounds and implemented here; use version 1 of `serde`, and
//! version 0.3 of `tracing-subscriber`.
//!
//! # Restrictions
//!
//! - Configs are structs with named fields that own their data. Stages are plain functions of one argument, not async.
//! - The code of a stage is tracked as far as it is named: its own text, and the helpers in `uses(..)`. Other functions,
//!   versions of dependencies, included files, the environment and data from outside are not.
//! - Stages run as threads of this process.
//! - Tested on Linux; for macOS it is compiled, and not tested. All of a store lies on one file system.
//!
//! # The book
//!
//! The folder `book` of the project is a book: a tutorial from nothing to an experiment in two stores, and how it works
//! inside. `mdbook serve book` shows it as pages.

#![warn(unreachable_pub, missing_debug_implementations)]
// A library says what it has to say in its results.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// Generated code names the crate as its users do.
extern crate self as pylightnix;

mod around;
mod as_text;
mod error;
mod hash_key;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[doc(hidden)]
pub mod internal;

pub mod config;
pub mod lens;
pub mod plan;
pub mod prelude;
pub mod realize;
pub mod stages;
pub mod store;
#[cfg(feature = "tracing")]
pub mod trace;
mod units;
mod visible;

/// The example of the README has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

// What signatures of this crate name, so that its users have the same version.
pub use jiff;
#[cfg(feature = "npy")]
pub use ndarray;
pub use serde_json;
pub use uuid;

pub use error::{BoxError, Error, ErrorKind};
// The trait and its derive: one name, and one `use` for both.
pub use lens::Config;
pub use pylightnix_macros::{stage, track};

/// What functions of this library return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
