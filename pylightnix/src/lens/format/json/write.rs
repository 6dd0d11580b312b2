//! A serde serializer for lossless JSON: the pretty format of serde_json, with sorted maps, and with an error for values
//! that JSON would change.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::ops::Range;

use crate::BoxError;
use crate::config::{Lists, ValueError};

type Result<T, E = ValueError> = std::result::Result<T, E>;

/// The prefix of the struct names under which serde_json serializes types that hold JSON text.
const JSON_TEXT: &str = "$serde_json::private::";

/// Serializes a value, with a line break at the end.
pub(super) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<JsonText, BoxError> {
    let mut text = Text {
        bytes: Vec::new(),
        pretty: PrettyFormatter::new(),
        lists: Lists::default(),
    };
    value
        .serialize(Writer { text: &mut text })
        .map_err(ValueError::of_value)?;
    text.bytes.push(b'\n');
    let Text { bytes, lists, .. } = text;
    Ok(JsonText { bytes, lists })
}

/// A serialized value.
pub(super) struct JsonText {
    pub(super) bytes: Vec<u8>,
    /// The lists that may be sets.
    pub(super) lists: Lists,
}

/// The text written so far.
struct Text {
    bytes: Vec<u8>,
    pretty: PrettyFormatter<'static>,
    lists: Lists,
}

/// Reports a value that serde_json refuses: the only possible error of writing to memory.
fn refused(error: serde_json::Error) -> ValueError {
    ValueError::new(format!("cannot be represented in JSON: {error}"))
}

impl Text {
    fn scalar<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.bytes, value).map_err(refused)
    }

    /// Calls the formatter.
    fn form(
        &mut self,
        write: impl FnOnce(&mut PrettyFormatter<'static>, &mut Vec<u8>) -> std::io::Result<()>,
    ) -> Result<()> {
        write(&mut self.pretty, &mut self.bytes)
            .map_err(|error| ValueError::new(format!("cannot be written: {error}")))
    }

    fn open_list(&mut self) -> Result<()> {
        self.form(|pretty, to| pretty.begin_array(to))
    }

    fn close_list(&mut self) -> Result<()> {
        self.form(|pretty, to| pretty.end_array(to))
    }

    fn open_object(&mut self) -> Result<()> {
        self.form(|pretty, to| pretty.begin_object(to))
    }

    fn close_object(&mut self) -> Result<()> {
        self.form(|pretty, to| pretty.end_object(to))
    }

    fn item<T: Serialize + ?Sized>(&mut self, is_first: bool, value: &T) -> Result<()> {
        self.form(|pretty, to| pretty.begin_array_value(to, is_first))?;
        value.serialize(Writer { text: self })?;
        self.form(|pretty, to| pretty.end_array_value(to))
    }

    /// Writes an entry of an object. `key` is a JSON text.
    fn entry<T: Serialize + ?Sized>(
        &mut self,
        is_first: bool,
        key: &[u8],
        value: &T,
    ) -> Result<()> {
        self.form(|pretty, to| pretty.begin_object_key(to, is_first))?;
        self.bytes.extend_from_slice(key);
        self.form(|pretty, to| {
            pretty.end_object_key(to)?;
            pretty.begin_object_value(to)
        })?;
        value.serialize(Writer { text: self })?;
        self.form(|pretty, to| pretty.end_object_value(to))
    }

    /// Writes `{"Variant": `, which `close_variant` closes.
    fn open_variant(&mut self, variant: &str) -> Result<()> {
        self.open_object()?;
        self.form(|pretty, to| pretty.begin_object_key(to, true))?;
        self.scalar(variant)?;
        self.form(|pretty, to| {
            pretty.end_object_key(to)?;
            pretty.begin_object_value(to)
        })
    }

    fn close_variant(&mut self) -> Result<()> {
        self.form(|pretty, to| pretty.end_object_value(to))?;
        self.close_object()
    }
}

struct Writer<'a> {
    text: &'a mut Text,
}

fn no_number(is_nan: bool) -> ValueError {
    let what = if is_nan { "NaN" } else { "an infinity" };
    ValueError::new(format!("is {what}, which JSON cannot represent")).with_help(
        "save a finite number, an `Option` with `None` for this case, or use another format, such as `Npy`",
    )
}

macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.text.scalar(&value)
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    scalars! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        match value.is_finite() {
            true => self.text.scalar(&value),
            false => Err(no_number(value.is_nan())),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        match value.is_finite() {
            true => self.text.scalar(&value),
            false => Err(no_number(value.is_nan())),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        let start = self.text.bytes.len();
        value.serialize(Writer {
            text: &mut *self.text,
        })?;
        if self.text.bytes.get(start..) == Some(b"null") {
            return Err(ValueError::new(
                "is `Some` of a value that JSON writes as `null`, which is read back as `None`",
            )
            .with_help("use one `Option`, or an enum with a variant for each case"));
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<()> {
        self.text.scalar(&())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.text.scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.text.open_variant(variant)?;
        value
            .serialize(Writer {
                text: &mut *self.text,
            })
            .map_err(|fault| fault.under_key(variant))?;
        self.text.close_variant()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>> {
        self.text.open_list()?;
        Ok(Items {
            text: self.text,
            count: 0,
            may_be_set: true,
            variant: None,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'a>> {
        let items = self.serialize_seq(Some(len))?;
        Ok(Items {
            may_be_set: false,
            ..items
        })
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'a>> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'a>> {
        self.text.open_variant(variant)?;
        let items = self.serialize_tuple(len)?;
        Ok(Items {
            variant: Some(variant),
            ..items
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>> {
        self.text.open_object()?;
        Ok(Entries {
            text: self.text,
            key: Vec::new(),
            entries: Vec::new(),
        })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>> {
        let is_json = name.starts_with(JSON_TEXT);
        if !is_json {
            self.text.open_object()?;
        }
        Ok(Members {
            text: self.text,
            count: 0,
            is_json,
            variant: None,
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Members<'a>> {
        self.text.open_variant(variant)?;
        let members = self.serialize_struct(name, len)?;
        Ok(Members {
            variant: Some(variant),
            ..members
        })
    }
}

/// Adds the variant to the path of a fault, if the value is inside `{"Variant": ..}`.
fn in_variant(fault: ValueError, variant: Option<&str>) -> ValueError {
    match variant {
        Some(variant) => fault.under_key(variant),
        None => fault,
    }
}

/// A list that is being written.
struct Items<'a> {
    text: &'a mut Text,
    count: usize,
    /// Whether the list may be a set, whose items have no fixed order.
    may_be_set: bool,
    variant: Option<&'static str>,
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Items<'_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.text
                    .item(self.count == 0, value)
                    .map_err(|fault| in_variant(fault.under_index(self.count), self.variant))?;
                self.count += 1;
                Ok(())
            }

            fn end(self) -> Result<()> {
                if self.may_be_set {
                    self.text.lists.note(self.count);
                }
                self.text.close_list()?;
                match self.variant {
                    Some(_) => self.text.close_variant(),
                    None => Ok(()),
                }
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A struct that is being written, with its fields in the order of declaration.
struct Members<'a> {
    text: &'a mut Text,
    count: usize,
    /// Whether this is a type of serde_json that holds a JSON text in its only field.
    is_json: bool,
    variant: Option<&'static str>,
}

macro_rules! members {
    ($($trait:ident),*) => {$(
        impl $trait for Members<'_> {
            type Ok = ();
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                if self.is_json {
                    let text = serde_json::to_vec(value).map_err(refused)?;
                    let text: String = serde_json::from_slice(&text).map_err(refused)?;
                    self.text.bytes.extend_from_slice(text.as_bytes());
                    return Ok(());
                }
                let name = serde_json::to_vec(key).map_err(refused)?;
                self.text
                    .entry(self.count == 0, &name, value)
                    .map_err(|fault| in_variant(fault.under_key(key), self.variant))?;
                self.count += 1;
                Ok(())
            }

            fn end(self) -> Result<()> {
                if !self.is_json {
                    self.text.close_object()?;
                }
                match self.variant {
                    Some(_) => self.text.close_variant(),
                    None => Ok(()),
                }
            }
        }
    )*};
}

members!(SerializeStruct, SerializeStructVariant);

/// A map that is being written: entries are written in the order of iteration, and sorted at the end.
struct Entries<'a> {
    text: &'a mut Text,
    /// The current key, as JSON.
    key: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    /// The key, as JSON.
    key: Vec<u8>,
    /// The range of the entry in the text, with the separator before it.
    at: Range<usize>,
}

/// A map with this key only, to let serde_json serialize the key.
struct OnlyKey<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for OnlyKey<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &())?;
        map.end()
    }
}

/// The text before and after the key of an `OnlyKey`.
const BEFORE_KEY: &[u8] = b"{";
const AFTER_KEY: &[u8] = b":null}";

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let map = serde_json::to_vec(&OnlyKey(key)).map_err(refused)?;
        let key = map.strip_prefix(BEFORE_KEY);
        let key = key.and_then(|rest| rest.strip_suffix(AFTER_KEY));
        self.key = key.unwrap_or_default().to_vec();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = std::mem::take(&mut self.key);
        let start = self.text.bytes.len();
        let shown = || serde_json::from_slice::<String>(&key).unwrap_or_default();
        self.text
            .entry(self.entries.is_empty(), &key, value)
            .map_err(|fault| fault.under_key(&shown()))?;
        let at = start..self.text.bytes.len();
        self.entries.push(Entry { key, at });
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        if !self.entries.is_sorted_by(|a, b| a.key < b.key) {
            let start = self.entries.first().map_or(0, |entry| entry.at.start);
            let end = self.text.bytes.len();
            self.entries.sort_by(|a, b| a.key.cmp(&b.key));
            if let Some(pair) = self
                .entries
                .windows(2)
                .find(|pair| pair[0].key == pair[1].key)
            {
                let key = String::from_utf8_lossy(&pair[0].key);
                return Err(ValueError::new(format!("has the key {key} twice"))
                    .with_help("two different keys of the map have the same text in JSON"));
            }
            let mut sorted = Vec::with_capacity(end - start);
            for entry in &self.entries {
                let text = &self.text.bytes[entry.at.clone()];
                if !sorted.is_empty() {
                    sorted.push(b',');
                }
                sorted.extend_from_slice(text.strip_prefix(b",").unwrap_or(text));
            }
            self.text.bytes.splice(start..end, sorted);
        }
        self.text.close_object()
    }
}
