//! The words `NaN`, `Infinity` and `-Infinity`, which Python's `json` reads and writes for the floats that JSON lacks.

use std::collections::HashMap;

/// Each word, and a number of the same length, so that what comes after it keeps its place.
const WORDS: [(&str, &str); 3] = [
    ("NaN", "0.0"),
    ("Infinity", "0.000000"),
    ("-Infinity", "-0.000000"),
];

/// The words of a text, by their offsets.
#[derive(Default)]
pub(super) struct Words(HashMap<usize, &'static str>);

impl Words {
    /// Returns the word at an offset.
    pub(super) fn at(&self, offset: usize) -> Option<&'static str> {
        // Most texts have none.
        match self.0.is_empty() {
            true => None,
            false => self.0.get(&offset).copied(),
        }
    }
}

/// Returns a text with numbers in the place of its words; `None` if it has none.
pub(super) fn as_numbers(text: &str) -> Option<(String, Words)> {
    let mut words = Words::default();
    let replaced = replaced(text, |offset, word, number| {
        words.0.insert(offset, word);
        number.to_owned()
    });
    Some((replaced?, words))
}

/// Returns a text with strings in the place of its words, for readers of JSON; `None` if it has none.
pub(super) fn as_strings(text: &str) -> Option<String> {
    replaced(text, |_, word, _| format!("\"{word}\""))
}

fn replaced(
    text: &str,
    mut by: impl FnMut(usize, &'static str, &'static str) -> String,
) -> Option<String> {
    // A quick look, which most texts end.
    if !text.contains("NaN") && !text.contains("Infinity") {
        return None;
    }
    let mut to = String::with_capacity(text.len());
    let mut is_found = false;
    // A value comes after one of these, or begins the text.
    let mut before = ':';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let offset = text.len() - rest.len();
        let is_value = |word: &str| {
            let after = rest[word.len()..].chars().next();
            matches!(before, ':' | ',' | '[')
                && after.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}'))
        };
        let known = WORDS
            .iter()
            .find(|(word, _)| rest.starts_with(word) && is_value(word));
        let length = match known {
            _ if first == '"' => string_length(rest),
            Some((word, number)) => {
                to.push_str(&by(offset, word, number));
                rest = &rest[word.len()..];
                is_found = true;
                before = '0';
                continue;
            }
            None => first.len_utf8(),
        };
        if !first.is_ascii_whitespace() {
            before = first;
        }
        to.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    is_found.then_some(to)
}

/// Returns the length of the string that a text begins with; that of the text if the string does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_where_values_stand() {
        let text = r#"{"NaN": [NaN, -Infinity], "a\"": "NaN", "b" : Infinity }"#;
        let (numbers, words) = as_numbers(text).unwrap();
        let expected = r#"{"NaN": [0.0, -0.000000], "a\"": "NaN", "b" : 0.000000 }"#;
        assert_eq!(numbers, expected);
        assert_eq!(words.at(9), Some("NaN"));
        assert_eq!(words.at(14), Some("-Infinity"));
        assert_eq!(words.at(0), None);
        let strings = r#"{"NaN": ["NaN", "-Infinity"], "a\"": "NaN", "b" : "Infinity" }"#;
        assert_eq!(as_strings(text).unwrap(), strings);
        for none in [
            "[1NaN]",
            "[-NaN]",
            "[NaNs]",
            "[\"NaN\"]",
            "{NaN: 1}",
            "[NaN",
            "[1 NaN]",
        ] {
            let is_closed = none.ends_with([']', '}']);
            assert_eq!(as_numbers(none).is_some(), !is_closed, "{none}");
        }
    }
}
