//! The state of a page, which is in its address, so that a link shows the same.

use form_urlencoded::{Serializer, parse};
use std::fmt;

/// The part of an address behind `?`: keys with values, in order. A key may be there several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the text behind `?`. Values that are empty, as those of fields of a form that are left out, do not count.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = parse(text.as_bytes()).into_owned();
        Query(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns the first value of a key.
    pub(crate) fn first(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the values of a key.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let of_key = self.0.iter().filter(move |(name, _)| name == key);
        of_key.map(|(_, value)| value.as_str())
    }

    /// Returns the number of a key, or another one if it has none.
    pub(crate) fn number(&self, key: &str, otherwise: usize) -> usize {
        let number = self.first(key).and_then(|text| text.parse().ok());
        number.unwrap_or(otherwise)
    }

    /// Returns all keys with their values, but for these keys.
    pub(crate) fn others<'a>(
        &'a self,
        keys: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.0.iter().map(|(key, value)| (&**key, &**value));
        pairs.filter(|(key, _)| !keys.contains(key))
    }

    /// Returns the query with this value alone for a key.
    pub(crate) fn with(&self, key: &str, value: impl fmt::Display) -> Self {
        let mut query = self.without(key);
        query.0.push((key.to_owned(), value.to_string()));
        query
    }

    /// Returns the query without a key.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut query = self.clone();
        query.0.retain(|(name, _)| name != key);
        query
    }

    /// Returns the query without one of the values of a key.
    pub(crate) fn without_value(&self, key: &str, value: &str) -> Self {
        let mut query = self.clone();
        query.0.retain(|(name, one)| name != key || one != value);
        query
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let text = Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        write!(f, "?{text}")
    }
}
