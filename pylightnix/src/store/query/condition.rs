//! Conditions on realizations, as people write them: `accuracy >= 0.9`.

use std::cmp::Ordering;

use super::comparison::{Cell, order};
use crate::{Error, ErrorKind, Result};

/// A condition on something that a realization has: a field of its config, a number, and so on.
#[derive(Debug)]
pub(super) struct Condition {
    /// By what that is asked for.
    pub(super) what: String,
    operator: Operator,
    value: Cell,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    Other,
    Less,
    AtMost,
    More,
    AtLeast,
    Has,
}

/// Longer ones first, where one begins as another.
const OPERATORS: [(&str, Operator); 8] = [
    ("==", Operator::Equal),
    ("!=", Operator::Other),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::More),
    ("~", Operator::Has),
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
            return Err(Error::new(ErrorKind::Reference, message).help(
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

    /// What is not there fulfils only that it is another.
    pub(super) fn holds(&self, cell: Option<&Cell>) -> bool {
        let Some(cell) = cell else {
            return matches!(self.operator, Operator::Other);
        };
        let order = order(cell, &self.value);
        match self.operator {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::Other => order != Some(Ordering::Equal),
            Operator::Less => order == Some(Ordering::Less),
            Operator::More => order == Some(Ordering::Greater),
            Operator::AtMost => order.is_some_and(Ordering::is_le),
            Operator::AtLeast => order.is_some_and(Ordering::is_ge),
            Operator::Has => cell.to_string().contains(&self.value.to_string()),
        }
    }
}

/// A value of JSON, or a text without quotes.
fn read(value: &str) -> serde_json::Value {
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}
