//! What the code of a stage reaches, as `#[stage]` finds it at compile time.

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// What the code of a stage reaches.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The items, the stage first. Empty if nothing was followed.
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
}

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
        items: &[],
        conditions: &[],
        variables: &[],
        unseen: &[],
        fallback: None,
        features: None,
        crates: &[],
    };

    /// Nothing could be followed.
    pub const fn fallback(why: &'static str) -> Self {
        Reach {
            fallback: Some(why),
            ..Reach::OWN
        }
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
