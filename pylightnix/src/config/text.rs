//! The bytes of canonical JSON: those of Python's `json.dumps(value, indent=4)`.
//!
//! Layout, escapes and numbers follow CPython's `json.encoder` with its defaults (`ensure_ascii`, the separators of
//! `indent`), and `float.__repr__`.

use super::{DRefId, Lists, Name};
use std::fmt::{LowerExp, Write as _};
use std::str::FromStr;

/// The maximal nesting depth of lists and objects, including the config itself.
///
/// serde_json parses 127 levels by default, and a field is one level below its config.
pub(super) const MAX_DEPTH: usize = 128;

/// One level of indentation.
const INDENT: &str = "    ";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A canonical JSON text that grows at its end.
///
/// A comma follows each item of a list or an object, and closing removes the last comma. So an item is a self-contained
/// piece of text, which can be moved or removed.
pub(super) struct CanonicalText {
    out: String,
    depth: usize,
    /// A buffer for the digits of a float, before they are laid out.
    digits: String,
    /// A buffer for the second candidate for the digits of a float.
    rounded: String,
    /// The lists in plain values that may be sets.
    pub(super) lists: Lists,
}

/// A position in a text, to rewind to.
#[derive(Clone, Copy)]
pub(super) struct Checkpoint {
    len: usize,
    depth: usize,
}

impl CanonicalText {
    /// Makes a text that is written into the empty buffer `out`.
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

    /// Returns the text from `start` on.
    pub(super) fn since(&self, start: usize) -> &str {
        &self.out[start..]
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            len: self.out.len(),
            depth: self.depth,
        }
    }

    /// Removes everything that was written since `checkpoint`.
    pub(super) fn rewind(&mut self, checkpoint: Checkpoint) {
        self.out.truncate(checkpoint.len);
        self.depth = checkpoint.depth;
    }

    /// Returns whether another list or object may be opened here.
    pub(super) fn may_open(&self) -> bool {
        self.depth < MAX_DEPTH
    }

    /// Begins a list with `[` or an object with `{`.
    pub(super) fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
    }

    /// Ends a list with `]` or an object with `}`.
    pub(super) fn close(&mut self, bracket: char) {
        self.depth -= 1;
        // A trailing comma means that the container has items; an empty container stays on one line.
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

    /// Reorders the last items of the text. `starts` are their offsets; `order` lists their indices in the new order.
    pub(super) fn reorder(&mut self, starts: &[usize], order: &[usize]) {
        let Some(&first) = starts.first() else { return };
        let items = self.out.split_off(first);
        for &at in order {
            let end = starts.get(at + 1).map_or(items.len(), |next| next - first);
            self.out.push_str(&items[starts[at] - first..end]);
        }
    }

    /// Writes a text that is canonical already: `null`, `true`, the digits of an integer.
    pub(super) fn verbatim(&mut self, json: &str) {
        self.out.push_str(json);
    }

    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    /// Writes a name, which needs no escapes.
    pub(super) fn name(&mut self, name: &Name) {
        self.out.push('"');
        self.out.push_str(name.as_str());
        self.out.push('"');
    }

    /// Writes the reference of a derivation.
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

    /// Writes a finite float as Python's `repr` does: the fewest digits that parse to the same `F`, with an exponent below
    /// 1e-4 and from 1e16 on.
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
        // At least one digit follows the point; `unsigned` has one more character than digits, the point of the mantissa.
        let fraction = (unsigned.len().saturating_sub(1))
            .saturating_sub(whole)
            .max(1);
        self.out.extend(padded.take(fraction));
    }

    /// Sets `digits` to the shortest decimal that parses to `value`, and among several to the one nearest to `value`.
    ///
    /// On a tie Python takes the even last digit (`768262547500885.2`, not `.3`). Rust's formatting with a fixed precision
    /// does the same, its shortest formatting does not. Near a power of two the decimal with a fixed precision may parse to
    /// another float, so the result is checked.
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
