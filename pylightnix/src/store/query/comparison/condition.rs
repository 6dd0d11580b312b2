//! Conditions on rows, as people write them: `accuracy >= 0.9`.

use std::cmp::Ordering;

use super::Cell;
use super::table::order;
use crate::{Error, ErrorKind, Result};

/// A condition on one column.
pub(super) struct Condition<'a> {
    pub(super) column: &'a str,
    operator: Operator,
    value: Cell,
}

#[derive(Clone, Copy)]
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

impl<'a> Condition<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let first = text.find(['=', '!', '<', '>', '~']);
        let found = first.and_then(|at| {
            let (column, rest) = text.split_at(at);
            let fits = |(sign, operator): &(&str, Operator)| {
                Some((column.trim(), *operator, rest.strip_prefix(sign)?.trim()))
            };
            OPERATORS.iter().find_map(fits)
        });
        let Some((column, operator, value)) = found.filter(|(column, ..)| !column.is_empty())
        else {
            let message = format!("{text:?} is no condition");
            return Err(Error::new(ErrorKind::Reference, message).help(
                "write a column, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value: `rate >= 0.1`; or `~` and a part of a \
                 text: `data ~ march`",
            ));
        };
        Ok(Condition {
            column,
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
