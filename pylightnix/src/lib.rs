//! Keep every step of an experiment as an immutable, typed, reusable result.
//!
//! An experiment is a series of steps. They take hours, some give another result each time, and they change while you work.
//! Pylightnix keeps the result of each step in a *store*, a plain folder in which nothing that is published ever changes: a
//! result that exists and is still valid is reused, a result that is missing or was made by other code is made again, and
//! results that differ are all kept, for a *matcher* to choose among. It is the system of the Python package [pylightnix],
//! with the same references; here the compiler checks how the steps are joined.
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
//! # Modules
//!
//! `use pylightnix::prelude::*;` brings what an experiment usually needs. The rest is in these modules:
//!
//! | module | contents |
//! |---|---|
//! | [`plan`] | derivations ([`DRef`](plan::DRef)), [`instantiate`](plan::instantiate), targets, and the [matchers](plan::matcher) |
//! | [`lens`] | a config's fields in a running stage ([`Build`](lens::Build)) and in a result ([`RRef`](lens::RRef)); artifacts and their [formats](lens::format) |
//! | [`stages`] | ready-made stages: values of the program, files of this machine, files of servers, archives |
//! | [`experiment`] | plans that depend on results: [`Run`](experiment::Run), which a plan is made with, and its [`Answers`](experiment::Answers); [parameters](experiment::Params) |
//! | [`realize`] | runs and their options ([`Realize`](realize::Realize)), dry runs with reasons, observers, [stepping](realize::Stepping), acceptance of old results |
//! | [`store`] | the [`Store`](store::Store) on disk: realizations, build records, archives; it knows bytes and references, nothing of stages |
//! | [`keys`] | who vouches for results: a person's [`Keys`](keys::Keys), and whose signatures a run [trusts](keys::Trust) |
//! | [`config`] | references ([`DRefId`](config::DRefId), [`RRefId`](config::RRefId)) and the canonical JSON of configs |
//!
//! The macros are [`#[derive(Config)]`](derive@Config), [`#[stage]`](stage), [`#[track]`](track), which offers the code of a
//! helper to stages of other packages, and for parameters of experiments [`#[derive(Params)]`](derive@Params) and
//! [`#[derive(ParamEnum)]`](derive@ParamEnum). Functions of this library return [`Error`]; stages may return any error.
//!
//! # Features
//!
//! - `csv`: the format `Csv<T>`, tables of structs.
//! - `fetch`: the stage `fetch_url`, files from servers.
//! - `npy`: the format `Npy<T>`, arrays of `ndarray` as NumPy files.
//! - `npz`: the formats [`Npz`](lens::format::Npz) and [`NpzCompressed`](lens::format::NpzCompressed), named arrays as NumPy files.
//! - `postcard`, `toml`, `zstd`: the formats [`Postcard<T>`](lens::format::Postcard), [`Toml<T>`](lens::format::Toml) and
//!   [`Zstd<F>`](lens::format::Zstd).
//! - `signals`: `realize::Cancel::on_signals`, by which Ctrl-C stops runs.
//! - `tracing`: a span for each run of a stage, whose `tracing` events are written to the log of its build; see
//!   `pylightnix::trace`.
//! - `unpack`: the stage `unpack`, archives and compressed files of other programs; and the import of archives of the Python package.
//!
//! The crate `pylightnix-cli` has the command line, as a function for programs with an experiment and as the program
//! `pylightnix` for any store. It also has the progress display of runs.
//!
//! # Types of other crates
//!
//! Crates whose types occur in signatures of this one are re-exported, in the right version: `jiff` (times), `uuid` (of
//! build records), `serde_json` (values in them), and with the feature `npy` `ndarray`. Traits of `serde` and, with the
//! feature `tracing`, of `tracing-subscriber` occur in bounds; use version 1 of `serde`, and version 0.3 of
//! `tracing-subscriber`.
//!
//! # Restrictions
//!
//! - Configs are structs with named fields that own their data. Stages are plain functions of one argument, not async.
//! - The code of a stage is tracked as far as its package and the path dependencies of that contain it. Code from
//!   registries and its versions, the environment and external data are not tracked.
//! - Stages run as threads of this process.
//! - Tested on Linux. On macOS it compiles, and is not tested. A store has to be on one file system.
//!
//! # The book
//!
//! The folder `book` of the repository is a book: a tutorial from the first stage to an experiment in two stores, and how
//! the store works. `mdbook serve book` shows it in a browser.

#![warn(unreachable_pub, missing_debug_implementations)]
// A library reports through its return values, not on the terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// Generated code names the crate as `::pylightnix`, also inside it.
extern crate self as pylightnix;

mod as_text;
mod error;
mod hash_key;
mod thread_context;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[doc(hidden)]
pub mod internal;

pub mod config;
pub mod experiment;
pub mod keys;
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

/// Compiles the example of the README as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

// Re-exports of crates whose types occur in signatures, so that users have the same version.
pub use jiff;
#[cfg(feature = "npy")]
pub use ndarray;
pub use serde_json;
pub use uuid;

pub use error::{BoxError, Error, ErrorKind};
pub use experiment::worker;
// One `use` imports both the trait and its derive macro.
pub use experiment::{ParamEnum, Params};
pub use lens::Config;
pub use pylightnix_macros::{stage, track};

/// The result type of this library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
