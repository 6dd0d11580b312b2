//! What is wrong with a stage.

use super::model::Stage;
use crate::faults::Faults;

pub(super) fn stage(_: &Stage, _: &mut Faults) {}
