//! x
use crate::Options;
use crate::figures::Figures;
use pylightnix::prelude::Result;
pub(super) fn run(_: &Options) -> Result<Figures> {
    Ok(Figures::default())
}
