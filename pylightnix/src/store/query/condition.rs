//! Conditions on realizations in text form: `accuracy >= 0.9`.

use std::cmp::Ordering;

use super::comparison::{Cell, order};
use crate::store::{Remark, RemarkKind};
use crate::{Error, ErrorKind, Result};

/// A condition on a property of a realization: a config field, a number in an artifact, a tag, and so on.
#[derive(Debug)]
pub(super) struct Condition {
    /// The name of the property.
    pub(super) what: String,
    operator: Operator,
    value: Cell,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
    /// `tag:`: one of the tags is this.
    Tag,
    /// `note:`: one of the notes contains this, in capital letters or not.
    Note,
}

/// Operators; one that is a prefix of another comes after it.
const OPERATORS: [(&str, Operator); 8] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self> {
        for (prefix, operator) in [("tag:", Operator::Tag), ("note:", Operator::Note)] {
            if let Some(value) = text.trim_start().strip_prefix(prefix) {
                return Ok(Condition {
                    what: prefix.trim_end_matches(':').to_owned(),
                    operator,
                    value: Cell::Value(value.trim().into()),
                });
            }
        }
        let first = text.find(['=', '!', '<', '>', '~']);
        let found = first.and_then(|at| {
            let (what, rest) = text.split_at(at);
            let fits = |(sign, operator): &(&str, Operator)| {
                Some((what.trim(), *operator, rest.strip_prefix(sign)?.trim()))
            };
            OPERATORS.iter().find_map(fits)
        });
        let Some((what, operator, value)) = found.filter(|(what, ..)| !what.is_empty()) else {
            let message = format!("{text:?} is not a condition");
            return Err(Error::new(ErrorKind::Reference, message).with_help(
                "write a field or a number in an artifact, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value: `rate >= 0.1`; or \
                 `~` and a part of a text: `data ~ march`; or `tag:best`, `note:kink`",
            ));
        };
        Ok(Condition {
            what: what.to_owned(),
            operator,
            value: Cell::Value(read(value)),
        })
    }

    /// Whether this is a condition on notes and tags, which [`holds_of`](Self::holds_of) decides.
    pub(super) fn is_of_remarks(&self) -> bool {
        matches!(self.operator, Operator::Tag | Operator::Note)
    }

    /// Whether a condition on notes and tags holds.
    pub(super) fn holds_of(&self, remarks: &[Remark]) -> bool {
        let wanted = self.value.to_string();
        remarks.iter().any(|remark| match self.operator {
            Operator::Tag => remark.kind == RemarkKind::Tag && remark.text == wanted,
            Operator::Note => {
                let text = remark.text.to_lowercase();
                remark.kind == RemarkKind::Note && text.contains(&wanted.to_lowercase())
            }
            _ => false,
        })
    }

    /// Whether the condition holds. A missing property satisfies only `!=`.
    pub(super) fn holds(&self, cell: Option<&Cell>) -> bool {
        let Some(cell) = cell else {
            return matches!(self.operator, Operator::NotEqual);
        };
        let order = order(cell, &self.value);
        match self.operator {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::NotEqual => order != Some(Ordering::Equal),
            Operator::Less => order == Some(Ordering::Less),
            Operator::Greater => order == Some(Ordering::Greater),
            Operator::AtMost => order.is_some_and(Ordering::is_le),
            Operator::AtLeast => order.is_some_and(Ordering::is_ge),
            Operator::Contains => cell.to_string().contains(&self.value.to_string()),
            Operator::Tag | Operator::Note => false,
        }
    }
}

/// Parses a value as JSON; anything else is a string without quotes.
fn read(value: &str) -> serde_json::Value {
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}
