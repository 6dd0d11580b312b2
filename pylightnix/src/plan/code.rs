//! The identity of a stage's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::stage::Stage;
use crate::config::Digest;

/// A helper whose code is part of the stages that use it: what `#[track]` implements.
#[diagnostic::on_unimplemented(
    message = "this helper is not tracked",
    label = "its changes would go unseen",
    note = "write `#[track]` on the function, or on the struct or `impl` of the type"
)]
pub trait Track {
    #[doc(hidden)]
    fn tracked() -> Tracked;
}

/// A tracked helper: its tokens, and the helpers that it names itself.
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

/// The code of a stage: a text of all that is tracked, and its fingerprint, which stands for it in build records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    fingerprint: String,
    text: String,
}

impl Code {
    /// The first 32 hex digits of the sha256 of the [text](Self::text).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What is tracked, for people: a section each for the stage, the formats of its artifacts, and its helpers.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new(text: String) -> Self {
        let mut fingerprint = Digest::of(text.as_bytes()).to_string();
        fingerprint.truncate(32);
        Code { fingerprint, text }
    }

    pub(crate) fn labelled(label: &str) -> Self {
        let mut text = Text::default();
        text.section("realizer", "", label);
        Code::new(text.0)
    }

    /// Of what a person made in place of the stage.
    pub(crate) fn by_hand() -> &'static Self {
        static BY_HAND: LazyLock<Code> = LazyLock::new(|| {
            let mut text = Text::default();
            text.section("by hand", "", "");
            Code::new(text.0)
        });
        &BY_HAND
    }

    /// The code of the stage of `C`.
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

/// All helpers that these lead to, each once, by name.
fn helpers(uses: &'static [fn() -> Tracked]) -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<Tracked> = uses.iter().map(|helper| helper()).collect();
    while let Some(Tracked { name, tokens, uses }) = waiting.pop() {
        // Two helpers may be equal in name and tokens and differ in what they use.
        let seen: &mut BTreeSet<usize> = found.entry((name, tokens)).or_default();
        if seen.insert(uses.as_ptr() as usize) {
            waiting.extend(uses.iter().map(|helper| helper()));
        }
    }
    found.into_keys().collect()
}

/// One section of a text of code: what stands in brackets before it, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// `stage`, `uses` and so on.
    pub(crate) kind: &'a str,
    /// Empty if there is only one of its kind.
    pub(crate) name: &'a str,
    pub(crate) body: &'a str,
}

/// The sections of a text of code; `None` if it is none that this version writes.
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

/// A text of sections, each with its length, so that no two lists of sections have one text.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, kind: &str, name: &str, body: &str) {
        let gap = if name.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
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
