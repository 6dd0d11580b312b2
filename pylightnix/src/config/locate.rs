//! Finds the place of a syntax error in a JSON text, for error messages.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

use super::raw::{Text, reason};
use super::value_error::{push_key, shown};
use crate::{Error, ErrorKind};

/// Makes the error for `text`, which serde_json refused with `refusal`.
///
/// serde_json does not report the path of an invalid raw value, so the text is parsed again, value by value.
pub(super) fn not_json(text: &str, refusal: serde_json::Error) -> Error {
    let mut path = String::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let refusal = Locator { path: &mut path }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .err()
        .unwrap_or(refusal);
    let field = match shown(&path) {
        "" => String::new(),
        path => format!(", in the field `{path}`"),
    };
    Error::new(
        ErrorKind::Config,
        format!(
            "the config is not valid JSON: {}{field}, at line {} column {}",
            reason(&refusal),
            refusal.line(),
            refusal.column()
        ),
    )
    .with_help("write a JSON object; JSON has no comments and no trailing commas")
}

/// Parses any value and drops it. After an error, `path` is the path of the invalid part.
struct Locator<'a> {
    path: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for Locator<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locator<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let outer = self.path.len();
        let mut index = 0;
        loop {
            self.path.push_str(&format!("[{index}]"));
            let item = seq.next_element_seed(Locator {
                path: &mut *self.path,
            })?;
            self.path.truncate(outer);
            if item.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let outer = self.path.len();
        while let Some(Text(key)) = map.next_key()? {
            push_key(self.path, &key);
            map.next_value_seed(Locator {
                path: &mut *self.path,
            })?;
            self.path.truncate(outer);
        }
        Ok(())
    }
}
