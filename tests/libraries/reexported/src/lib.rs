//! A library of stages that knows pylightnix through another crate.

use renamed::Numbers;
use renamed::library::lens::Plain;
use renamed::library::prelude::*;

/// Something of the numbers.
#[derive(Config)]
#[config(crate = renamed::library)]
pub struct Summary<K: Kind> {
    /// It.
    #[selfref("summary.txt")]
    pub out: SelfRef<Text>,
    /// Of these.
    #[dref]
    pub numbers: DRef<Numbers>,
    /// Another, for comparison.
    #[dref]
    #[config(default)]
    pub other: Option<DRef<Summary<K>>>,
    /// What.
    pub kind: K,
    /// No part of the identity.
    #[config(default, unhashed)]
    pub verbosity: u32,
}

/// What there is to say of numbers.
pub trait Kind: Plain {
    /// Says it.
    fn of(&self, numbers: &[u64]) -> u64;
}

/// A run-time argument.
#[derive(Debug)]
pub struct Unit(pub &'static str);

/// Says it.
#[stage(crate = renamed::library, args(Unit), uses(Sums), register(Summary<u64>), retries = 1)]
pub fn summary<K: Kind>(b: &Build<Summary<K>>) -> Result<SummaryOutputs> {
    let number = b.kind.of(&b.numbers.out.load()?);
    Ok(SummaryOutputs {
        out: b.out.save(&format!("{number} {}", b.arg::<Unit>().0))?,
    })
}

impl Kind for u64 {
    fn of(&self, numbers: &[u64]) -> u64 {
        Sums::of_first(*self as usize, numbers)
    }
}

struct Sums;

#[track(crate = renamed::library)]
impl Sums {
    fn of_first(count: usize, numbers: &[u64]) -> u64 {
        numbers.iter().take(count).sum()
    }
}

/// A config with a namesake in another library.
#[derive(Config)]
#[config(crate = renamed::library)]
pub struct Twin {
    /// Whose it is.
    #[selfref("of.txt")]
    pub of: SelfRef<Text>,
}

/// Says whose it is.
#[stage(crate = renamed::library)]
pub fn twin(b: &Build<Twin>) -> Result<TwinOutputs> {
    Ok(TwinOutputs {
        of: b.of.save("reexported")?,
    })
}
