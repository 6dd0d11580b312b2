//! Interned words: equal texts have equal numbers, so that comparing and looking up are cheap.

use rustc_hash::FxHashMap;

/// The number of an interned text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(u32);

/// The texts of all names.
#[derive(Debug)]
pub(crate) struct Names {
    numbers: FxHashMap<Box<str>, Name>,
    texts: Vec<Box<str>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let mut names = Names {
            numbers: FxHashMap::default(),
            texts: Vec::new(),
        };
        for word in word::ALL {
            names.intern(word);
        }
        names
    }

    pub(crate) fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.numbers.get(text) {
            return *name;
        }
        let name = Name(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(text.into());
        self.numbers.insert(text.into(), name);
        name
    }

    /// Returns the name of a text, or `None` if no source contains it.
    pub(crate) fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    pub(crate) fn text(&self, name: Name) -> &str {
        self.texts.get(name.0 as usize).map_or("", |text| text)
    }
}

impl Name {
    /// Returns whether the word is a keyword that is in no path, or `_`.
    pub(crate) fn is_keyword(self) -> bool {
        self.0 < word::KEYWORDS
    }
}

/// Words that the reader of sources knows by name.
pub(crate) mod word {
    use super::Name;

    macro_rules! words {
        (keywords { $($keyword:ident = $keyword_text:literal),* $(,)? }
         more keywords { $($more:literal),* $(,)? }
         others { $($other:ident = $other_text:literal),* $(,)? }) => {
            pub(super) const ALL: &[&str] = &[$($keyword_text,)* $($more,)* $($other_text),*];
            pub(super) const KEYWORDS: u32 = ALL.len() as u32 - [$($other_text),*].len() as u32;
            words!(@number 0, $($keyword)*);
            words!(@number KEYWORDS, $($other)*);
        };
        (@number $number:expr, $word:ident $($rest:ident)*) => {
            pub(crate) const $word: Name = Name($number);
            words!(@number $number + 1, $($rest)*);
        };
        (@number $number:expr,) => {};
    }

    // Keywords come first, so that a number tells whether it is one.
    words! {
        keywords {
            AS = "as", CONST = "const", ENUM = "enum", EXTERN = "extern", FN = "fn", FOR = "for", IMPL = "impl", IN = "in",
            LET = "let", MOD = "mod", MUT = "mut", PUB = "pub", REF = "ref", STATIC = "static", STRUCT = "struct",
            TRAIT = "trait", TYPE = "type", UNSAFE = "unsafe", USE = "use", WHERE = "where", ASYNC = "async", DYN = "dyn",
            IF = "if", LOOP = "loop", MATCH = "match", MOVE = "move", RETURN = "return", WHILE = "while",
        }
        more keywords {
            "break", "continue", "else", "false", "true", "await", "_",
        }
        others {
            // Keywords that begin paths.
            CRATE = "crate", SELF = "self", SUPER = "super", SELF_TYPE = "Self",
            UNION = "union", AUTO = "auto", DEFAULT = "default", SAFE = "safe", MACRO_RULES = "macro_rules",
            MACRO = "macro", CFG = "cfg", CFG_ATTR = "cfg_attr", TEST = "test", PATH = "path", NOT = "not", ANY = "any",
            STAGE = "stage", TRACK = "track", DERIVE = "derive", CONFIG = "Config", CONFIG_OPTION = "config",
            SELFREF = "selfref", DREF = "dref", RENAME = "rename", INCLUDE = "include",
            INCLUDE_STR = "include_str", INCLUDE_BYTES = "include_bytes", ENV = "env", OPTION_ENV = "option_env",
            DOC = "doc", ALLOW = "allow", WARN = "warn", DENY = "deny", EXPECT = "expect",
            FORBID = "forbid", MUST_USE = "must_use", INLINE = "inline", RUSTFMT = "rustfmt", TEST_CASE = "test_case",
            PYLIGHTNIX = "pylightnix", PASTE = "paste", COLD = "cold", DEPRECATED = "deprecated",
            MACRO_EXPORT = "macro_export", MACRO_USE = "macro_use", PROC_MACRO = "proc_macro",
            PROC_MACRO_ATTRIBUTE = "proc_macro_attribute", PROC_MACRO_DERIVE = "proc_macro_derive",
            LINK_NAME = "link_name", EXPORT_NAME = "export_name",
        }
    }
}
