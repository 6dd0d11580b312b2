//! A library of stages that uses pylightnix through another crate.

use renamed::Numbers;
use renamed::library::lens::Plain;
use renamed::library::prelude::*;

/// A summary of numbers.
#[derive(Config)]
#[config(crate = renamed::library)]
pub struct Summary<K: Kind> {
    /// The summary.
    #[selfref("summary.txt")]
    pub out: SelfRef<Text>,
    /// The numbers.
    #[dref]
    pub numbers: DRef<Numbers>,
    /// Another summary, for comparison.
    #[dref]
    #[config(default)]
    pub other: Option<DRef<Summary<K>>>,
    /// The kind of summary.
    pub kind: K,
    /// Not part of the identity.
    #[config(default, unhashed)]
    pub verbosity: u32,
}

/// A kind of summary.
pub trait Kind: Plain {
    /// Computes it.
    fn of(&self, numbers: &[u64]) -> u64;
}

/// A run-time argument.
#[derive(Debug)]
pub struct Unit(pub &'static str);

/// Writes the summary.
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

/// A config with the same name as one in another library.
#[derive(Config)]
#[config(crate = renamed::library)]
pub struct Twin {
    /// The name of the library.
    #[selfref("of.txt")]
    pub of: SelfRef<Text>,
}

/// Writes the name of the library.
#[stage(crate = renamed::library)]
pub fn twin(b: &Build<Twin>) -> Result<TwinOutputs> {
    Ok(TwinOutputs {
        of: b.of.save("reexported")?,
    })
}
