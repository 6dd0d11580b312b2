//! What the command line needs of this library and no other program: items without a promise, which change from one version to
//! the next. Both crates are released together.

pub use crate::config::changes::compact;
#[cfg(feature = "signals")]
pub use crate::lens::stop::signal_children;
pub use crate::store::internal::*;
pub use crate::units::time;
pub use crate::visible::{is_unruly, line, lines};
