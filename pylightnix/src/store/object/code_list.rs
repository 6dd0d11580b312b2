//! Lists of the items that a stage's code consists of, and the texts of the items.
//!
//! `code/<fingerprint>` is such a list, and `code/.items/<hash>` the text of an item, which many lists share.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::config::Digest;

/// The first line of a list. A text of a version before lists begins with a bracket.
const HEAD: &str = "pylightnix code list 1\n";

/// The number of hex digits of a fingerprint and of a hash.
const DIGITS: usize = 32;

/// An item of code: a function, a type, a field of a config and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeItem {
    /// `fn`, `struct`, `stage` and so on.
    pub(crate) kind: Cow<'static, str>,
    /// The name for people; empty if there is only one item of the kind.
    pub(crate) name: Cow<'static, str>,
    /// The first 32 hex digits of the SHA-256 digest of the kind, a zero byte and the text; between these stands the module or the
    /// file, and another zero byte, if the list has several different items of this kind and name.
    pub(crate) hash: Cow<'static, str>,
    /// The file in the package, and the line; empty if it has none.
    pub(crate) place: Cow<'static, str>,
    /// The index of the item that names it.
    pub(crate) from: Option<usize>,
}

/// The items of a stage's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeList {
    pub(crate) items: Vec<CodeItem>,
}

/// Returns the hash of an item.
pub(crate) fn hash_of(kind: &str, text: &str) -> String {
    let mut bytes = Vec::with_capacity(kind.len() + 1 + text.len());
    bytes.extend_from_slice(kind.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(text.as_bytes());
    let mut hash = Digest::of(&bytes).to_string();
    hash.truncate(DIGITS);
    hash
}

/// Returns whether a text is a hash, which is the name of a file.
pub(in crate::store) fn is_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns a section of the text of code. Its head contains the length of the body, so that different lists of sections have
/// different texts.
pub(crate) fn section(kind: &str, name: &str, body: &str) -> String {
    let gap = if name.is_empty() { "" } else { " " };
    format!("[{kind}{gap}{name} {}]\n{body}\n", body.len())
}

impl CodeList {
    /// Returns the fingerprint: the first 32 hex digits of the SHA-256 digest of the hashes, sorted, each once, a line each.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hashes: Vec<&str> = self.items.iter().map(|item| &*item.hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let mut fingerprint = Digest::of(hashes.join("\n").as_bytes()).to_string();
        fingerprint.truncate(DIGITS);
        fingerprint
    }

    /// Returns whether `text` may be that of an item. The hash of one that shares its kind and name with others covers more than that.
    pub(in crate::store) fn may_be(&self, item: &CodeItem, text: &str) -> bool {
        let named = |other: &&CodeItem| (&other.kind, &other.name) == (&item.kind, &item.name);
        hash_of(&item.kind, text) == item.hash || self.items.iter().filter(named).count() > 1
    }

    /// Returns the content of the file `code/<fingerprint>`.
    pub(in crate::store) fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        let line = |text: &str| text.replace(['\t', '\n'], " ");
        for item in &self.items {
            let from = item
                .from
                .map_or_else(|| "-".to_owned(), |from| from.to_string());
            let (kind, hash) = (&item.kind, &item.hash);
            let (name, place) = (line(&item.name), line(&item.place));
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{kind}\t{hash}\t{from}\t{place}\t{name}");
        }
        text
    }

    /// Parses the content of such a file; `None` if it is not a list, or one of a later version.
    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        let mut items = Vec::new();
        for line in text.strip_prefix(HEAD)?.lines() {
            let mut parts = line.splitn(5, '\t');
            let mut part = || parts.next();
            let (kind, hash, from, place, name) = (part()?, part()?, part()?, part()?, part()?);
            if !is_hash(hash) {
                return None;
            }
            items.push(CodeItem {
                kind: Cow::Owned(kind.to_owned()),
                name: Cow::Owned(name.to_owned()),
                hash: Cow::Owned(hash.to_owned()),
                place: Cow::Owned(place.to_owned()),
                from: from.parse().ok(),
            });
        }
        Some(CodeList { items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        let item = |kind: &'static str, name: &'static str, from| CodeItem {
            kind: kind.into(),
            name: name.into(),
            hash: hash_of(kind, name).into(),
            place: "src/lib.rs:1".into(),
            from,
        };
        let list = CodeList {
            items: vec![
                item("stage", "train", None),
                item("fn", "Add for V::add", Some(0)),
                item("for", "", None),
            ],
        };
        let text = list.to_text();
        assert_eq!(CodeList::parse(&text), Some(list.clone()));
        assert_eq!(
            CodeList::parse(&text).unwrap().fingerprint(),
            list.fingerprint()
        );
        assert_eq!(CodeList::parse("[stage train 3]\nabc\n"), None);
        assert_eq!(CodeList::parse("pylightnix code list 2\n"), None);
        assert_eq!(CodeList::parse(&text.replace('0', "/")), None);
    }

    /// A change to this would make all results stale everywhere.
    #[test]
    fn golden() {
        assert_eq!(
            hash_of("fn", "fn f() {}"),
            "1f3bb7098cb11a96c755008900b7a337"
        );
        let item = |kind: &'static str, text: &str| CodeItem {
            kind: kind.into(),
            name: "".into(),
            hash: hash_of(kind, text).into(),
            place: "".into(),
            from: None,
        };
        let list = CodeList {
            items: vec![item("fn", "fn f() {}"), item("const", "const A: u8 = 1;")],
        };
        assert_eq!(list.fingerprint(), "da5787344e2e260c056ad63fccfeb8ab");
    }
}
