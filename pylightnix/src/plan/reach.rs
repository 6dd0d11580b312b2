//! What the code of a stage reaches, as `#[stage]` finds it at compile time.

use glob::{MatchOptions, Pattern, glob_with};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::LazyLock;

use super::place::Place;

/// What the code of a stage reaches.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Whether the items have the stage, and what it names.
    pub is_followed: bool,
    /// The items: the stage first if it was followed, and the files that it names in `uses`.
    pub items: &'static [ReachItem],
    /// Predicates of `cfg` in the items, and their values.
    pub conditions: &'static [(&'static str, bool)],
    /// Variables that the items read at compile time, and their values.
    pub variables: &'static [(&'static str, Option<&'static str>)],
    /// What counts and was not seen, in words for people.
    pub unseen: &'static [&'static str],
    /// Why only the tokens of the stage count although it did not ask for that.
    pub fallback: Option<&'static str>,
    /// The features of the stage's package, and whether they are on; `None` if its manifest was not read.
    pub features: Option<&'static [(&'static str, bool)]>,
    /// The crates of other packages in the items, and their versions.
    pub crates: &'static [(&'static str, &'static str)],
    /// How much it is, if it is most of the package.
    pub breadth: Option<ReachBreadth>,
    /// The folder of the package, and each pattern in `uses` with the files that matched it.
    pub data: (&'static str, &'static [DataFiles]),
    /// What counts of the environment: `rustc` and so on; and crates, with their versions.
    pub counts: &'static [(&'static str, Option<&'static str>)],
}

/// The numbers of items that are reached, and of all; and items that bring in most, with the numbers of items that each alone
/// brings in.
#[doc(hidden)]
pub type ReachBreadth = (usize, usize, &'static [(usize, usize)]);

/// A pattern in `uses`, and the files that matched it.
#[doc(hidden)]
pub type DataFiles = (&'static str, &'static [&'static str]);

/// What the macro writes of an item: its kind, name, hash, place, and the index of the item that names it; that is `usize::MAX` if there is none.
#[doc(hidden)]
pub type ReachItem = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    usize,
);

impl Reach {
    /// Nothing is followed, as the stage asks.
    pub const OWN: Reach = Reach {
        is_followed: false,
        items: &[],
        conditions: &[],
        variables: &[],
        unseen: &[],
        fallback: None,
        features: None,
        crates: &[],
        breadth: None,
        data: ("", &[]),
        counts: &[],
    };

    /// Nothing could be followed.
    pub const fn fallback(why: &'static str) -> Self {
        Reach {
            fallback: Some(why),
            ..Reach::OWN
        }
    }

    /// Returns the patterns in `uses` that match other files now than when the program was compiled. Where the sources of the
    /// package are not at hand, nothing is known.
    pub(super) fn other_files(&self) -> Vec<&'static str> {
        let (folder, patterns) = self.data;
        if patterns.is_empty() || !Path::new(folder).is_dir() {
            return Vec::new();
        }
        let is_other = |(pattern, then): &&(&'static str, &[&str])| {
            // The options with which the macro looks.
            let options = MatchOptions {
                case_sensitive: true,
                require_literal_separator: true,
                require_literal_leading_dot: true,
            };
            let place = format!("{}/{pattern}", Pattern::escape(folder));
            let Ok(paths) = glob_with(&place, options) else {
                return false;
            };
            let files = paths.flatten().filter(|path| path.is_file());
            let mut now: Vec<String> = files
                .filter_map(|path| Some(path.strip_prefix(folder).ok()?.to_str()?.to_owned()))
                .collect();
            now.sort_unstable();
            now != **then
        };
        let others = patterns.iter().filter(is_other);
        others.map(|(pattern, _)| *pattern).collect()
    }
}

/// The versions of the crates that the code of a crate may name, as `Cargo.lock` has them. The first stage of a crate
/// registers them.
#[doc(hidden)]
#[derive(Debug)]
pub struct CrateVersions {
    /// A module of the crate, and the version of its package.
    of: Place,
    /// A line each: the name, a space, the version.
    versions: &'static str,
}

impl CrateVersions {
    /// Makes the list from `module_path!()`, `CARGO_PKG_VERSION` and the lines.
    pub const fn new(
        module: &'static str,
        version: Option<&'static str>,
        versions: &'static str,
    ) -> Self {
        CrateVersions {
            of: Place::new(module, version, "", 0),
            versions,
        }
    }

    fn version(&self, name: &str) -> Option<&'static str> {
        let lines = self.versions.lines();
        let mut crates = lines.filter_map(|line| line.split_once(' '));
        crates
            .find(|(it, _)| *it == name)
            .map(|(_, version)| version)
    }
}

inventory::collect!(CrateVersions);

/// It is not known which versions of crates the code of a stage has.
pub(super) struct VersionsUnknown;

/// Returns the version of a crate that the code at a place has; `None` if its `Cargo.lock` does not have the crate.
pub(super) fn version_of(
    place: Place,
    name: &str,
) -> Result<Option<&'static str>, VersionsUnknown> {
    let all = || inventory::iter::<CrateVersions>.into_iter();
    // Cargo.lock of a crate that was compiled without one may be that of a crate beside it.
    let lists_it = |list: &&CrateVersions| {
        let version = list.version(place.crate_name());
        version.is_some() && version == place.version()
    };
    let own = all().find(|list| list.of.is_beside(&place));
    let list = own
        .or_else(|| all().find(lists_it))
        .ok_or(VersionsUnknown)?;
    Ok(list.version(name))
}

/// Texts of items by their hashes. The first stage of a crate that reaches an item registers its text.
#[doc(hidden)]
#[derive(Debug)]
pub struct ItemTexts(pub &'static [(&'static str, &'static str)]);

inventory::collect!(ItemTexts);

/// Returns the text of an item, if this program contains it.
pub(super) fn text_of(hash: &str) -> Option<&'static str> {
    static TEXTS: LazyLock<FxHashMap<&'static str, &'static str>> = LazyLock::new(|| {
        let all = inventory::iter::<ItemTexts>.into_iter();
        all.flat_map(|texts| texts.0.iter().copied()).collect()
    });
    TEXTS.get(hash).copied()
}
