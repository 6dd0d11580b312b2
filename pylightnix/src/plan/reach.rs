//! What the code of a stage reaches, as `#[stage]` finds it at compile time.

use glob::{MatchOptions, Pattern, glob_with};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::LazyLock;

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
