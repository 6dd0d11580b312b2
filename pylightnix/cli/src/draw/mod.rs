//! Drawings of what depends on what: for terminals, for DOT and Mermaid, and as SVG.
//!
//! A [`Drawing`] says what there is. [`Drawing::grouped`] makes a [`Picture`] of it, where stages that are alike share
//! a box, and a picture can be written in every format. What goes into a stage stands above it, or left of it.
//!
//! ```
//! use pylightnix_cli::draw::{Drawing, Grouping, Node, State};
//!
//! let mut drawing = Drawing::default();
//! let data = drawing.add(Node::new("data", State::Reused));
//! let plot = drawing.add(Node::new("plot", State::ToBuild));
//! for _ in 0..100 {
//!     let train = drawing.add(Node::new("train", State::ToBuild));
//!     drawing.connect(data, train);
//!     drawing.connect(train, plot);
//! }
//! let picture = drawing.grouped(Grouping::Over(40));
//! assert_eq!(
//!     picture.terminal(80, false),
//!     "● data        reused\n\
//!      ○ train ×100  100 to build\n\
//!      ○ plot        to build\n"
//! );
//! assert!(picture.svg().starts_with("<svg "));
//! ```

mod colours;
mod coordinates;
mod crossings;
mod dot;
mod grouping;
mod lanes;
mod layers;
mod layout;
mod mermaid;
mod model;
mod order;
mod page;
mod svg;
mod terminal;
mod text;

pub use grouping::Grouping;
pub use model::{Drawing, Node, Picture, PictureBox, State};
