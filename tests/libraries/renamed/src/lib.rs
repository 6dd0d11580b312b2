//! A library of stages that renames pylightnix, and re-exports it.

// ANCHOR: renamed
/// The library, for those who depend on this one alone.
pub use nix as library;

use nix::prelude::*;

/// A few numbers.
#[derive(Config)]
#[config(crate = nix)]
pub struct Numbers {
    /// Them.
    #[selfref("numbers.json")]
    pub out: SelfRef<Json<Vec<u64>>>,
    /// How many.
    #[config(default = 3, omit_default)]
    pub count: u64,
}

/// Makes them.
#[stage(crate = nix, matcher = only(), uses(double), timeout = "1h")]
pub fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
    let numbers = (0..b.count).map(double).collect();
    Ok(NumbersOutputs {
        out: b.out.save(&numbers)?,
    })
}

#[track(crate = nix)]
fn double(number: u64) -> u64 {
    2 * number
}
// ANCHOR_END: renamed

/// A config with the same name as one in another library.
#[derive(Config)]
#[config(crate = nix)]
pub struct Twin {
    /// The name of the library.
    #[selfref("of.txt")]
    pub of: SelfRef<Text>,
}

/// Writes the name of the library.
#[stage(crate = nix)]
pub fn twin(b: &Build<Twin>) -> Result<TwinOutputs> {
    Ok(TwinOutputs {
        of: b.of.save("renamed")?,
    })
}
