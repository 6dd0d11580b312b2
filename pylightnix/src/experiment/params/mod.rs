//! Parameters of experiments: values from files, profiles, the environment and the command line.
//!
//! Data flows one way: `sources` reads what is given, `given` finds the parameter of each value, `resolve` lets the strongest count.

mod definition;
mod document;
mod effect;
mod faults;
mod given;
mod json;
mod origin;
mod resolve;
mod resolved;
mod sources;
mod sweep;
mod text;
mod toml;
mod values;
#[cfg(feature = "yaml")]
mod yaml;

pub use definition::{Param, ParamEnum, ParamList, ParamVariant};
pub use effect::ParamEffect;
pub use origin::Origin;
pub use resolved::{ResolvedParam, ResolvedParams};
pub use sources::ParamSources;
pub use sweep::{SweepPoint, sweep_points};
pub use values::ParamValues;

pub use pylightnix_macros::{ParamEnum, Params};

use crate::Result;

/// The parameters of an experiment, as a struct: `#[derive(Params)]` implements it.
///
/// A run gives them to the function that makes its plan: see [`Run::params`](crate::experiment::Run::params).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no parameters",
    label = "not parameters",
    note = "parameters are a struct with named fields and `#[derive(Params)]`"
)]
pub trait Params: Sized + 'static {
    #[doc(hidden)]
    fn declare(list: &mut ParamList);

    #[doc(hidden)]
    fn read(values: &ParamValues<'_>) -> Result<Self>;
}
