//! Draws dependency graphs: for terminals, for DOT and Mermaid, and as SVG.
//!
//! A [`Drawing`] is a graph. [`Drawing::grouped`] makes a [`Picture`] of it, where similar stages share
//! a box, and a picture can be written in every format. Dependencies are above the stages that use them, or left of them.
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
#[cfg(feature = "pages")]
pub(crate) use svg::styles;
