//! Files of parameters in TOML. Its parser keeps the place of each value, which a deserializer does not.

use serde_json::{Number, Value};
use toml::de::{DeTable, DeValue};

use super::document::{Entry, Item, Misread, Table, line_at};

/// Parses a file.
pub(super) fn read(text: &str) -> Result<Table, Misread> {
    let parsed = DeTable::parse(text).map_err(|error| Misread {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        what: format!("not valid TOML: {}", error.message()),
    })?;
    table(text, parsed.get_ref())
}

/// Parses a single value.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    value(parsed.get_ref()).ok()
}

fn table(text: &str, table: &DeTable<'_>) -> Result<Table, Misread> {
    let entries = table.iter().map(|(key, found)| {
        let line = line_at(text, key.span().start);
        let item = match found.get_ref() {
            DeValue::Table(inner) => Item::Table(self::table(text, inner)?),
            other => Item::Value(value(other).map_err(|what| Misread { line, what })?),
        };
        let key = key.get_ref().to_string();
        Ok(Entry { key, line, item })
    });
    Ok(Table::new(entries.collect::<Result<_, _>>()?))
}

fn value(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Integer(number) => {
            let (text, radix) = (number.as_str(), number.radix());
            let signed = i64::from_str_radix(text, radix).map(Number::from);
            let number = signed.or_else(|_| u64::from_str_radix(text, radix).map(Number::from));
            Value::Number(number.map_err(|_| format!("the number {text} is too large"))?)
        }
        DeValue::Float(number) => {
            let text = number.as_str();
            let number = text.parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(|| {
                format!("parameters are kept as JSON, which has no number {text}")
            })?)
        }
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| self::value(item.get_ref()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => {
            let pairs = inner.iter().map(|(key, item)| {
                let value = self::value(item.get_ref())?;
                Ok((key.get_ref().to_string(), value))
            });
            Value::Object(pairs.collect::<Result<_, String>>()?)
        }
    })
}
