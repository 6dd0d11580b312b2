//! What identifies a derivation: names, references, and the canonical JSON of configs.

mod digest;
mod document;
mod ids;
mod name;

pub use digest::Digest;
pub use document::ConfigJson;
pub use ids::{DRefId, RRefId};
pub use name::Name;
