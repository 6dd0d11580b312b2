//! Files of parameters in YAML 1.2. Only this reader knows the crate that parses them.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, MessageFormatter as _, Spanned, UserMessageFormatter, options};
use std::fmt;

use super::document::{Entry, Item, Misread, Table};

/// Parses a file, which has to be a mapping or empty.
pub(super) fn read(text: &str) -> Result<Table, Misread> {
    // As in YAML 1.2, `no` is a text.
    let options = options! { strict_booleans: true, with_snippet: false };
    let whole: Node = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(1, line_of);
        let what = UserMessageFormatter.format_message(error.without_snippet());
        Misread {
            line,
            what: format!("not valid YAML: {what}"),
        }
    })?;
    match whole {
        Node::Map(pairs) => Ok(table(pairs)),
        Node::Scalar(Value::Null) => Ok(Table::default()),
        _ => Err(Misread {
            line: 1,
            what: "the file has to be a mapping, `key: value`".to_owned(),
        }),
    }
}

fn table(pairs: Vec<(Spanned<String>, Node)>) -> Table {
    let entries = pairs.into_iter().map(|(key, node)| Entry {
        line: line_of(key.referenced),
        key: key.value,
        item: match node {
            Node::Map(inner) => Item::Table(table(inner)),
            other => Item::Value(other.into_value()),
        },
    });
    Table(entries.collect())
}

fn line_of(place: Location) -> usize {
    usize::try_from(place.line()).unwrap_or(usize::MAX).max(1)
}

/// A value, with the places of the keys in it.
enum Node {
    Map(Vec<(Spanned<String>, Node)>),
    List(Vec<Node>),
    Scalar(Value),
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Node::Map(pairs) => {
                let pairs = pairs.into_iter();
                let pairs = pairs.map(|(key, node)| (key.value, node.into_value()));
                Value::Object(Map::from_iter(pairs))
            }
            Node::List(items) => items.into_iter().map(Node::into_value).collect(),
            Node::Scalar(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Node::Map(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(is)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Scalar(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Scalar(number.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, number: i128) -> Result<Node, E> {
        Err(E::custom(format!("the number {number} is too large")))
    }

    fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<Node, E> {
        Err(E::custom(format!("the number {number} is too large")))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Node, E> {
        let json = Number::from_f64(number).ok_or_else(|| {
            E::custom(format!(
                "parameters are kept as JSON, which has no number {number}"
            ))
        })?;
        Ok(Node::Scalar(Value::Number(json)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        Node::deserialize(from)
    }
}
