//! Values that are given as text: in the environment and on a command line.

use serde_json::Value;

use super::{Param, toml};

/// Returns the value of a parameter that a text is: what it says as JSON or TOML if that fits the type, else the text itself.
pub(super) fn value(param: &Param, text: &str) -> serde_json::Result<Value> {
    let literal = serde_json::from_str(text).ok();
    let literal = literal.or_else(|| toml::value_of(text));
    let of_literal = literal.map(|value| param.normal(value));
    if let Some(Ok(value)) = of_literal {
        return Ok(value);
    }
    let of_text = param.normal(Value::String(text.to_owned()));
    match (of_text, of_literal) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(Err(error))) => Err(error),
        (Err(error), _) => Err(error),
    }
}
