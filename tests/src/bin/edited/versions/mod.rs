//! Two stages in several versions of a program. They are written out, as a stage that a macro makes is not followed. Generic
//! stages are registered only for the types that they list, so that several with one name fit into a program.

pub mod both;
pub mod earlier;
pub mod first;
pub mod other;
pub mod same;
