//! Conditions on realizations in text form: `accuracy >= 0.9`.

use std::cmp::Ordering;

use super::comparison::{Cell, order};
use crate::{Error, ErrorKind, Result};

/// A condition on a property of a realization: a config field, a number in an artifact, and so on.
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
                 `~` and a part of a text: `data ~ march`",
            ));
        };
        Ok(Condition {
            what: what.to_owned(),
            operator,
            value: Cell::Value(read(value)),
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
        }
    }
}

/// Parses a value as JSON; anything else is a string without quotes.
fn read(value: &str) -> serde_json::Value {
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}
