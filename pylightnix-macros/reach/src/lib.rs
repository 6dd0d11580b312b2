//! Finds the code of a crate that a stage reaches, for the macros of `pylightnix`.
//!
//! A result depends on more than the text of the function that made it: on the functions, types, constants and macros that
//! the function names, on what those name, and so on. This crate reads the sources of a package, and of the packages that it
//! depends on by path, and follows names from a function until it finds nothing new. It compiles nothing: names are looked
//! up in modules as the language does, methods by name on types that are reached. In doubt code counts.
//!
//! It is used through `pylightnix`, which documents what counts. The items here are for its macros, and change with them.
//!
//! ```
//! use pylightnix_reach::{Place, Sources};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::create_dir(folder.path().join("src"))?;
//! std::fs::write(folder.path().join("Cargo.toml"), "[package]\nname = 'lab'")?;
//! std::fs::write(
//!     folder.path().join("src/lib.rs"),
//!     "#[stage] fn split(b: &Build<Split>) -> Result<()> { b.out.save(&scale(2.0)) }
//!      fn scale(x: f64) -> f64 { x * RATE }
//!      const RATE: f64 = 0.1;
//!      fn other() {}",
//! )?;
//! let file = folder.path().join("src/lib.rs");
//! let mut sources = Sources::around(&file, |_| None).unwrap();
//! let place = Place { file: &file, name: "split", line: Some(1) };
//! let stage = sources.stage(&place, |_| true).unwrap();
//! let reached = sources.reach(stage, &[]);
//! let names: Vec<&str> = reached.items.iter().map(|item| item.name.as_str()).collect();
//! assert_eq!(names, ["split", "RATE", "scale"]);
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod breadth;
mod config;
mod data;
mod edges;
mod follow;
mod globs;
mod index;
mod invocations;
mod item;
pub mod layout;
mod lex;
mod locals;
mod lock;
mod manifest;
mod names;
mod parameters;
mod parse;
mod reached;
mod resolve;
mod scan;
mod sources;
mod statics;
mod strings;
mod survey;
mod text;
mod tokens;
mod world;

pub use breadth::Breadth;
pub use data::data;
pub use reached::{Reached, ReachedCrate, ReachedItem};
pub use sources::{Place, Sources, Stage};
pub use survey::Function;
