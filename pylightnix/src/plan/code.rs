//! The code of a stage and its fingerprint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::stage::Stage;
use crate::config::Digest;

/// A helper whose code is part of the code of the stages that use it: `#[track]` implements it.
#[diagnostic::on_unimplemented(
    message = "this helper is not tracked",
    label = "its changes would go unseen",
    note = "write `#[track]` on the function, or on the struct or `impl` of the type"
)]
pub trait Track {
    #[doc(hidden)]
    fn tracked() -> Tracked;
}

/// A tracked helper: its tokens, and the helpers that it uses itself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Tracked {
    name: &'static str,
    tokens: &'static str,
    uses: &'static [fn() -> Tracked],
}

impl Tracked {
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        tokens: &'static str,
        uses: &'static [fn() -> Tracked],
    ) -> Self {
        Tracked { name, tokens, uses }
    }
}

/// The code of a stage: the text of all tracked code, and the fingerprint of that text, which build records contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    fingerprint: String,
    text: String,
}

impl Code {
    /// Returns the first 32 hex digits of the SHA-256 digest of the [text](Self::text).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the tracked code as readable text, with sections for the stage, each format of an artifact, and each helper.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new(text: String) -> Self {
        let mut fingerprint = Digest::of(text.as_bytes()).to_string();
        fingerprint.truncate(32);
        Code { fingerprint, text }
    }

    /// Returns the code of a realizer that a plan gives under a label.
    pub(crate) fn labelled(label: &str) -> Self {
        let mut text = Text::default();
        text.section("realizer", "", label);
        Code::new(text.0)
    }

    /// Returns the code of results that a person made by hand.
    pub(crate) fn by_hand() -> &'static Self {
        static BY_HAND: LazyLock<Code> = LazyLock::new(|| {
            let mut text = Text::default();
            text.section("by hand", "", "");
            Code::new(text.0)
        });
        &BY_HAND
    }

    /// Returns the code of the stage of `C`.
    pub(super) fn of_stage<C: Stage>() -> Self {
        Code::new(stage_text::<C>())
    }
}

fn stage_text<C: Stage>() -> String {
    let mut text = Text::default();
    text.section("stage", C::NAME, C::TOKENS);
    for parameter in C::parameters() {
        text.section("for", "", &parameter);
    }
    for promise in C::PROMISES {
        text.section("format", promise.field, promise.format);
    }
    for (name, tokens) in helpers(C::USES) {
        text.section("uses", name, tokens);
    }
    text.0
}

/// Returns the names and tokens of all transitively used helpers, sorted and without duplicates.
fn helpers(uses: &'static [fn() -> Tracked]) -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<Tracked> = uses.iter().map(|helper| helper()).collect();
    while let Some(Tracked { name, tokens, uses }) = waiting.pop() {
        // Two helpers may have the same name and tokens, and different helpers of their own.
        let seen: &mut BTreeSet<usize> = found.entry((name, tokens)).or_default();
        if seen.insert(uses.as_ptr() as usize) {
            waiting.extend(uses.iter().map(|helper| helper()));
        }
    }
    found.into_keys().collect()
}

/// One section of the text of a stage's code: the head in brackets, and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// The kind of section: `stage`, `uses` and so on.
    pub(crate) kind: &'a str,
    /// The name of the item; empty if there is only one section of this kind.
    pub(crate) name: &'a str,
    pub(crate) body: &'a str,
}

/// Parses the sections of a text; `None` if this version does not write this form.
pub(crate) fn sections(text: &str) -> Option<Vec<Section<'_>>> {
    let mut sections = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (head, after) = rest.strip_prefix('[')?.split_once("]\n")?;
        let (label, length) = head.rsplit_once(' ')?;
        let (body, after) = after.split_at_checked(length.parse().ok()?)?;
        let by_hand = (label == "by hand").then_some((label, ""));
        let (kind, name) = by_hand.or(label.split_once(' ')).unwrap_or((label, ""));
        sections.push(Section { kind, name, body });
        rest = after.strip_prefix('\n')?;
    }
    Some(sections)
}

/// A text of sections. Each head contains the length of the body, so that different lists of sections have different texts.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, kind: &str, name: &str, body: &str) {
        let gap = if name.is_empty() { "" } else { " " };
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "[{kind}{gap}{name} {}]\n{body}", body.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_as_they_are_written() {
        let written = [
            ("stage", "train", "fn train() {\n    [uses f 3]\n}"),
            ("for", "", "Vec<u8>"),
            ("format", "out", ""),
            ("uses", "Model<T>", "é"),
            ("by hand", "", ""),
        ];
        let mut text = Text::default();
        for (kind, name, body) in written {
            text.section(kind, name, body);
        }
        let read: Vec<_> = sections(&text.0).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|Section { kind, name, body }| (*kind, *name, *body))
            .collect();
        assert_eq!(read, written);
        for cut in (1..text.0.len()).filter(|at| text.0.is_char_boundary(*at)) {
            // A whole number of sections, or nothing.
            let read = sections(&text.0[..cut]);
            assert!(read.is_none_or(|read| read.len() < written.len()), "{cut}");
        }
    }
}
