//! What the command line needs of this library and no other program: items without a promise, which change from one version to
//! the next. Both crates are released together.

pub use crate::base64::base64;
pub use crate::config::changes::compact;
pub use crate::config::field_path::list_names;
pub use crate::config::near::{is_near, nearest_first};
#[cfg(feature = "signals")]
pub use crate::lens::stop::signal_children;
pub use crate::plan::graph::PlanGraph;
pub use crate::store::internal::*;
pub use crate::units::time;
pub use crate::visible::{is_unruly, line, lines};
