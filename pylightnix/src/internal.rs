//! Items for the crate `pylightnix-cli` only. They may change in any version; both crates are released together.

pub use crate::config::changes::compact;
pub use crate::experiment::internal::*;
#[cfg(feature = "signals")]
pub use crate::lens::stop::signal_children;
pub use crate::store::internal::*;
pub use crate::units::text;
pub use crate::visible::{is_unruly, line, lines};
