//! The code of a stage and its fingerprint.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use super::counts::{Counted, Counts, CountsUnknown, counted, found, on};
use super::place::Place;
use super::reach::{self, Reach};
use super::stage::Stage;
use crate::Result;
use crate::config::Digest;
use crate::store::{CodeItem, CodeList, Environment, Store, hash_of, section};

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

/// The code of a stage: what counts of it, and the fingerprint of that, which build records contain.
#[derive(Clone, Debug)]
pub struct Code {
    fingerprint: String,
    form: Form,
    /// The fingerprint that versions before this one gave to the stage, if that is another.
    before: Option<String>,
    reach: Reach,
    /// Makes it again with more of the environment that counts; `None` for what is not the code of a stage.
    with_more: Option<fn(&[Counted]) -> Code>,
    /// With what it is compiled, made when the first build asks.
    environment: OnceLock<Arc<Environment>>,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        // The rest does not count, or follows from this.
        self.fingerprint == other.fingerprint && self.form == other.form
    }
}

impl Eq for Code {}

/// How the code is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// One text, whose digest is the fingerprint.
    Text(String),
    /// A list of items; and the texts of those that are not known by their hashes.
    List {
        list: CodeList,
        texts: BTreeMap<String, String>,
    },
}

/// The name and the place of an item, and the number of items that are reached through it alone.
type WideItem = (&'static str, &'static str, usize);

impl Code {
    /// Returns the fingerprint, 32 hex digits: of the [text](Self::text), or of the hashes of the items that the stage reaches.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the code that counts as readable text, with a section for each item that the stage reaches.
    pub fn text(&self) -> String {
        match &self.form {
            Form::Text(text) => text.clone(),
            Form::List { list, .. } => {
                let sections = list
                    .items
                    .iter()
                    .filter_map(|item| Some(section(&item.kind, &item.name, &self.text_of(item)?)));
                sections.collect()
            }
        }
    }

    /// Returns what counts and was not seen, in words for people.
    pub fn unseen(&self) -> Vec<String> {
        let unseen = self.reach.unseen.iter().map(|&what| what.to_owned());
        let others = self.reach.other_files().into_iter().map(|pattern| {
            format!("files that match `{pattern}` and came or went since the program was compiled")
        });
        unseen.chain(others).collect()
    }

    /// Returns why the code that the stage names could not be followed, so that only its own text and the helpers in `uses`
    /// count; `None` if it was followed, or was not to be.
    pub fn fallback(&self) -> Option<&'static str> {
        self.reach.fallback
    }

    /// Returns the numbers of items that the stage reaches and of all that its package has, if it reaches most; and the items
    /// that bring in most: name, place, and the number of items that are reached through it alone.
    pub(crate) fn breadth(&self) -> Option<(usize, usize, Vec<WideItem>)> {
        let (reached, all, because) = self.reach.breadth?;
        let named = because.iter().filter_map(|(at, alone)| {
            let (_, name, _, place, _) = self.reach.items.get(*at)?;
            Some((*name, *place, *alone))
        });
        Some((reached, all, named.collect()))
    }

    /// Returns with what the code was compiled and runs. All builds of a stage share it.
    pub(crate) fn environment(&self) -> Arc<Environment> {
        let of_stage = || {
            let mut environment = Environment::of_program();
            environment.features = self.reach.features.map(on);
            let crates = self.reach.crates.iter();
            environment.crates = crates
                .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
                .collect();
            Arc::new(environment)
        };
        self.environment.get_or_init(of_stage).clone()
    }

    /// Returns the fingerprint that versions without following gave to the stage, if that is another.
    pub(crate) fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Returns the items that the stage reaches, if it was followed.
    pub(crate) fn list(&self) -> Option<&CodeList> {
        match &self.form {
            Form::Text(_) => None,
            Form::List { list, .. } => Some(list),
        }
    }

    fn text_of(&self, item: &CodeItem) -> Option<Cow<'_, str>> {
        let own = match &self.form {
            Form::Text(_) => None,
            Form::List { texts, .. } => texts.get(&*item.hash),
        };
        match own {
            Some(text) => Some(Cow::Borrowed(text)),
            None => reach::text_of(&item.hash).map(Cow::Borrowed),
        }
    }

    /// Saves the code in the store under its fingerprint, unless it is there.
    pub(crate) fn save(&self, store: &Store) -> Result<()> {
        match &self.form {
            Form::Text(text) => store.save_code(&self.fingerprint, text),
            Form::List { list, .. } => {
                store.save_code_list(&self.fingerprint, list, |item| self.text_of(item))
            }
        }
    }

    fn new(text: String) -> Self {
        let mut fingerprint = Digest::of(text.as_bytes()).to_string();
        fingerprint.truncate(32);
        Code {
            fingerprint,
            form: Form::Text(text),
            before: None,
            reach: Reach::OWN,
            with_more: None,
            environment: OnceLock::new(),
        }
    }

    /// Returns the code of a realizer that a plan gives under a label.
    pub(crate) fn labelled(label: &str) -> Self {
        Code::new(section("realizer", "", label))
    }

    /// Returns the code of results that a person made by hand.
    pub(crate) fn by_hand() -> &'static Self {
        static BY_HAND: LazyLock<Code> = LazyLock::new(|| Code::new(section("by hand", "", "")));
        &BY_HAND
    }

    /// Returns the code of the stage of `C`.
    pub(super) fn of_stage<C: Stage>() -> Self {
        Code::with_more::<C>(&[])
    }

    /// Returns the code of the stage of `C`, for which more of the environment counts.
    fn with_more<C: Stage>(more: &[Counted]) -> Self {
        let own = Code {
            with_more: Some(Code::with_more::<C>),
            ..Code::new(stage_text::<C>())
        };
        let reach = C::REACH;
        let Reach {
            is_followed,
            items,
            conditions,
            variables,
            counts,
            ..
        } = reach;
        if items.is_empty() && counts.is_empty() && more.is_empty() {
            return Code { reach, ..own };
        }
        let mut made = CodeListBuilder::default();
        if !is_followed {
            made.add("stage", C::NAME, C::TOKENS.to_owned());
        }
        for (kind, name, hash, place, from) in items {
            made.list.items.push(CodeItem {
                kind: Cow::Borrowed(kind),
                name: Cow::Borrowed(name),
                hash: Cow::Borrowed(hash),
                place: Cow::Borrowed(place),
                from: Some(*from).filter(|from| *from < items.len()),
            });
        }
        for parameter in C::parameters() {
            made.add("for", "", parameter);
        }
        for promise in C::PROMISES {
            made.add(
                "format",
                promise.field,
                format!("{}: {}", promise.field, promise.format),
            );
        }
        for (name, tokens) in helpers(C::USES) {
            made.add("uses", name, tokens.to_owned());
        }
        for (predicate, value) in conditions {
            made.add("cfg", *predicate, format!("{predicate}: {value}"));
        }
        for (variable, value) in variables {
            made.add("env", *variable, format!("{variable}: {value:?}"));
        }
        for (name, text) in counted(&reach, more) {
            made.add("environment", name, text);
        }
        Code {
            fingerprint: made.list.fingerprint(),
            // A stage that is not followed is as it was then, unless what it names beside its code was added since.
            before: is_followed.then_some(own.fingerprint),
            form: Form::List {
                list: made.list,
                texts: made.texts,
            },
            reach,
            with_more: own.with_more,
            environment: OnceLock::new(),
        }
    }

    /// Returns the code with more of the environment that counts, for a stage at this place. Otherwise returns what is not known,
    /// and why. A crate that the code's Cargo.lock does not have does not count.
    pub(super) fn counting<'a>(
        &self,
        counts: &'a BTreeSet<Counts>,
        place: Option<Place>,
    ) -> Result<Code, (&'a Counts, CountsUnknown)> {
        let place = place.filter(|_| self.with_more.is_some());
        let mut more = Vec::new();
        for what in counts {
            more.extend(found(what, &self.reach, place).map_err(|why| (what, why))?);
        }
        Ok(match (self.with_more, &self.form) {
            (Some(with_more), _) => with_more(&more),
            (None, Form::Text(text)) => {
                let counted = counted(&self.reach, &more);
                let counted = counted
                    .iter()
                    .map(|(name, text)| section("environment", name, text));
                Code::new(text.clone() + &counted.collect::<String>())
            }
            (None, Form::List { .. }) => self.clone(),
        })
    }

    /// Returns whether something of the environment counts.
    pub(super) fn counts(&self, what: &Counts) -> bool {
        match &self.form {
            Form::Text(_) => false,
            Form::List { list, .. } => {
                let mut items = list.items.iter();
                items.any(|item| item.kind == "environment" && item.name == what.name())
            }
        }
    }
}

/// Makes a list of code with the items that are known only at run time.
#[derive(Default)]
struct CodeListBuilder {
    list: CodeList,
    texts: BTreeMap<String, String>,
}

impl CodeListBuilder {
    fn add(&mut self, kind: &'static str, name: impl Into<Cow<'static, str>>, text: String) {
        let hash = hash_of(kind, &text);
        self.list.items.push(CodeItem {
            kind: Cow::Borrowed(kind),
            name: name.into(),
            hash: Cow::Owned(hash.clone()),
            place: Cow::Borrowed(""),
            from: Some(0),
        });
        self.texts.insert(hash, text);
    }
}

/// Returns the text of which versions without following made the fingerprint. It must not change, as stores contain its digest.
fn stage_text<C: Stage>() -> String {
    let mut text = section("stage", C::NAME, C::TOKENS);
    for parameter in C::parameters() {
        text.push_str(&section("for", "", &parameter));
    }
    for promise in C::PROMISES {
        text.push_str(&section("format", promise.field, promise.format));
    }
    for (name, tokens) in helpers(C::USES) {
        text.push_str(&section("uses", name, tokens));
    }
    text
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
        let text = written
            .map(|(kind, name, body)| section(kind, name, body))
            .concat();
        let read: Vec<_> = sections(&text).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|Section { kind, name, body }| (*kind, *name, *body))
            .collect();
        assert_eq!(read, written);
        for cut in (1..text.len()).filter(|at| text.is_char_boundary(*at)) {
            // A whole number of sections, or nothing.
            let read = sections(&text[..cut]);
            assert!(read.is_none_or(|read| read.len() < written.len()), "{cut}");
        }
    }
}
