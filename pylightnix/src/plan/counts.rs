//! What counts of the environment, as code does.

use std::collections::BTreeMap;
use std::fmt;

use super::place::Place;
use super::reach::{Reach, VersionsUnknown, version_of};
use crate::store::Environment;

/// Something of the environment that counts as the code of a stage does, for
/// [`Realize::counts`](crate::realize::Realize::counts). `Display` writes it as `#[stage(counts(..))]` takes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Counts {
    /// The version of the compiler.
    Rustc,
    /// The target that the program is compiled for.
    Target,
    /// The profile, and whether debug assertions are on.
    Profile,
    /// The flags of the compiler.
    Flags,
    /// The features of the stage's package.
    Features,
    /// The version of a crate in `Cargo.lock`, by the name that code has for it.
    Crate(String),
}

impl Counts {
    /// The version of a crate.
    ///
    /// ```
    /// use pylightnix::realize::Counts;
    ///
    /// assert_eq!(Counts::krate("nd-array").to_string(), "crates(nd_array)");
    /// ```
    pub fn krate(name: &str) -> Self {
        Counts::Crate(name.replace('-', "_"))
    }

    /// Returns the name that the list of a stage's code has.
    pub(super) fn name(&self) -> String {
        match self {
            Counts::Crate(name) => format!("crates.{name}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Counts::Rustc => f.write_str("rustc"),
            Counts::Target => f.write_str("target"),
            Counts::Profile => f.write_str("profile"),
            Counts::Flags => f.write_str("flags"),
            Counts::Features => f.write_str("features"),
            Counts::Crate(name) => write!(f, "crates({name})"),
        }
    }
}

/// Why it is not known what something is for a stage.
#[derive(Clone, Copy, Debug)]
pub(super) enum CountsUnknown {
    /// The library was compiled without a word of it.
    Library,
    Manifest,
    Lock,
    /// The stage has a realizer that the plan gives.
    Given,
}

impl fmt::Display for CountsUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CountsUnknown::Library => "it was not known when the library was compiled",
            CountsUnknown::Manifest => {
                "the manifest of its package was not found when it was compiled"
            }
            CountsUnknown::Lock => "no Cargo.lock of its package was found when it was compiled",
            CountsUnknown::Given => {
                "the plan gives it a realizer, of which only the label is known"
            }
        })
    }
}

impl From<VersionsUnknown> for CountsUnknown {
    fn from(_: VersionsUnknown) -> Self {
        CountsUnknown::Lock
    }
}

/// Something of the environment that counts: its name, and the version if it is a crate.
pub(super) type Counted = (String, Option<String>);

/// Finds something of the environment for a stage at a place, `None` of which stands for a realizer that a plan gives. Returns `None`
/// if it is a crate that is not there.
pub(super) fn found(
    what: &Counts,
    reach: &Reach,
    place: Option<Place>,
) -> Result<Option<Counted>, CountsUnknown> {
    let is_known = match (what, place) {
        (Counts::Crate(_) | Counts::Features, None) => return Err(CountsUnknown::Given),
        (Counts::Crate(name), Some(place)) => {
            let version = version_of(place, name)?;
            return Ok(version.map(|version| (what.name(), Some(version.to_owned()))));
        }
        (Counts::Features, _) if reach.features.is_none() => return Err(CountsUnknown::Manifest),
        (Counts::Features, _) => true,
        _ => Environment::compiled().values().contains_key(&what.name()),
    };
    match is_known {
        true => Ok(Some((what.name(), None))),
        false => Err(CountsUnknown::Library),
    }
}

/// Returns the names of what counts of the environment, with texts of what it is.
pub(super) fn counted(reach: &Reach, more: &[Counted]) -> BTreeMap<String, String> {
    if reach.counts.is_empty() && more.is_empty() {
        return BTreeMap::new();
    }
    let mut environment = Environment::compiled();
    environment.features = reach.features.map(on);
    let values = environment.values();
    let own = reach.counts.iter();
    let own = own.map(|(name, version)| ((*name).to_owned(), version.map(str::to_owned)));
    let one = |(name, version): Counted| {
        let mut value = match version {
            Some(version) => version,
            None => values.get(&name).cloned().unwrap_or_default(),
        };
        if name == "profile" {
            // A profile may have turned them on or off.
            let assertions = values.get("debug_assertions").map_or("", String::as_str);
            value.push_str(&format!(", debug assertions {assertions}"));
        }
        let text = format!("{name}: {value}");
        (name, text)
    };
    own.chain(more.iter().cloned()).map(one).collect()
}

/// Returns the names of the features that are on.
pub(super) fn on(features: &[(&str, bool)]) -> Vec<String> {
    let on = features.iter().filter(|(_, is_on)| *is_on);
    on.map(|(name, _)| (*name).to_owned()).collect()
}
