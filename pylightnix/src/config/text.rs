//! The bytes of canonical JSON: those of Python's `json.dumps(value, indent=4)`.
//!
//! Layout, escapes and numbers follow CPython's `json.encoder` with its defaults (`ensure_ascii`, the separators of
//! `indent`), and `float.__repr__`.

use super::{DRefId, Lists, Name};
use std::fmt::{LowerExp, Write as _};
use std::str::FromStr;

/// How deep lists and objects may be nested, the config itself included.
///
/// serde_json reads 127 levels by default, and a field is one level below its config.
pub(super) const MAX_DEPTH: usize = 128;

/// One level of indentation.
const INDENT: &str = "    ";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A JSON text that grows at its end, with the layout in one place.
///
/// Each item of a list or an object is written with a comma after it; closing takes the last comma back. So an item is
/// a piece of text that stands for itself, which can be moved or taken away.
pub(super) struct CanonicalText {
    out: String,
    depth: usize,
    /// A float's digits, before they are laid out.
    digits: String,
    /// The other candidate for them.
    rounded: String,
    /// The lists of plain values that may be sets.
    pub(super) lists: Lists,
}

/// A place in a text to which it can be taken back.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    len: usize,
    depth: usize,
}

impl CanonicalText {
    /// Written into `out`, which is empty.
    pub(super) fn in_buffer(out: String) -> Self {
        CanonicalText {
            out,
            depth: 0,
            digits: String::new(),
            rounded: String::new(),
            lists: Lists::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// What was written from `start` on.
    pub(super) fn since(&self, start: usize) -> &str {
        &self.out[start..]
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            len: self.out.len(),
            depth: self.depth,
        }
    }

    /// Takes back everything that was written since `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.out.truncate(mark.len);
        self.depth = mark.depth;
    }

    /// Whether another list or object may be opened here.
    pub(super) fn may_open(&self) -> bool {
        self.depth < MAX_DEPTH
    }

    /// Begins a list, `[`, or an object, `{`.
    pub(super) fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
    }

    /// Ends the list, `]`, or the object, `}`.
    pub(super) fn close(&mut self, bracket: char) {
        self.depth -= 1;
        // Nothing but an item ends in a comma here, so an empty container stays in one line.
        if self.out.ends_with(',') {
            self.out.pop();
            self.new_line();
        }
        self.out.push(bracket);
    }

    /// Begins an item of a list.
    pub(super) fn item(&mut self) {
        self.new_line();
    }

    /// Begins an item of an object.
    pub(super) fn entry(&mut self, key: &str) {
        self.new_line();
        self.string(key);
        self.out.push_str(": ");
    }

    pub(super) fn end_item(&mut self) {
        self.out.push(',');
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        for _ in 0..self.depth {
            self.out.push_str(INDENT);
        }
    }

    /// Puts the items that begin at `starts` (the last ends where the text does) in the order that `order` names.
    pub(super) fn reorder(&mut self, starts: &[usize], order: &[usize]) {
        let Some(&first) = starts.first() else { return };
        let items = self.out.split_off(first);
        for &at in order {
            let end = starts.get(at + 1).map_or(items.len(), |next| next - first);
            self.out.push_str(&items[starts[at] - first..end]);
        }
    }

    /// Text that is canonical already: `null`, `true`, the digits of an integer.
    pub(super) fn verbatim(&mut self, json: &str) {
        self.out.push_str(json);
    }

    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    /// A name, which needs no escapes.
    pub(super) fn name(&mut self, name: &Name) {
        self.out.push('"');
        self.out.push_str(name.as_str());
        self.out.push('"');
    }

    /// A derivation's reference.
    pub(super) fn dref(&mut self, id: &DRefId) {
        self.out.push('"');
        id.push_to(&mut self.out);
        self.out.push('"');
    }

    pub(super) fn string(&mut self, text: &str) {
        let needs_escape = |byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
        self.out.push('"');
        let mut rest = text;
        loop {
            let plain = rest.bytes().position(needs_escape).unwrap_or(rest.len());
            self.out.push_str(&rest[..plain]);
            rest = &rest[plain..];
            let Some(c) = rest.chars().next() else { break };
            self.escape(c);
            rest = &rest[c.len_utf8()..];
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    self.out.push_str("\\u");
                    for shift in [12, 8, 4, 0] {
                        self.out
                            .push(char::from(HEX[usize::from(*unit >> shift & 15)]));
                    }
                }
                return;
            }
        };
        self.out.push_str(short);
    }

    /// A finite float, as Python's `repr` lays it out: the fewest digits that read back as the same `F`, with an
    /// exponent below 1e-4 and from 1e16 on.
    pub(super) fn float<F: LowerExp + FromStr + PartialEq>(&mut self, value: F) {
        self.shortest_digits(value);
        let (mantissa, exponent) = self
            .digits
            .split_once('e')
            .unwrap_or((self.digits.as_str(), "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        if !(-4..16).contains(&exponent) {
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(self.out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
            return;
        }
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        if unsigned.len() < mantissa.len() {
            self.out.push('-');
        }
        let digits = unsigned
            .bytes()
            .filter(|byte| *byte != b'.')
            .map(char::from);
        if exponent < 0 {
            self.out.push_str("0.");
            self.out.extend((1..-exponent).map(|_| '0'));
            self.out.extend(digits);
            return;
        }
        let whole = exponent.unsigned_abs() as usize + 1;
        let mut padded = digits.chain(std::iter::repeat('0'));
        self.out.extend(padded.by_ref().take(whole));
        self.out.push('.');
        // At least one digit follows the point; the mantissa has one of its own before it.
        let fraction = (unsigned.len().saturating_sub(1))
            .saturating_sub(whole)
            .max(1);
        self.out.extend(padded.take(fraction));
    }

    /// Puts into `digits` the fewest digits that read back as `value`, and of those the nearest to it.
    ///
    /// Of two that are equally near, Python takes the one with the even last digit (`768262547500885.2`, not `.3`), as
    /// exact formatting does, but not the shortest formatting of Rust. Near a power of two the nearest number of so many
    /// digits may read back as another float, so it is tried.
    fn shortest_digits<F: LowerExp + FromStr + PartialEq>(&mut self, value: F) {
        self.digits.clear();
        let _ = write!(self.digits, "{value:e}");
        let mantissa = self.digits.split('e').next().unwrap_or_default();
        let decimals = mantissa
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        self.rounded.clear();
        let _ = write!(self.rounded, "{value:.decimals$e}");
        if self.rounded != self.digits && self.rounded.parse().is_ok_and(|read: F| read == value) {
            std::mem::swap(&mut self.digits, &mut self.rounded);
        }
    }
}
