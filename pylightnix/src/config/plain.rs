//! A serde serializer that writes plain values as canonical JSON.

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::LowerExp;
use std::num::FpCategory;
use std::ops::Range;
use std::str::FromStr;

use super::text::CanonicalText;
use super::value_error::ValueError;
use super::{DRefId, RRefId};

type Result<T, E = ValueError> = std::result::Result<T, E>;

/// The JSON text of the first item of a promise's list, by which Pylightnix recognizes promises.
pub(super) const SELF_TAG: &str = "\"__self__\"";

/// The prefix of the struct names under which serde_json serializes types that hold JSON text.
const JSON_TEXT: &str = "$serde_json::private::";

/// Appends `value` to `text`. After an error the text is incomplete, and the caller rewinds it.
pub(super) fn write_plain<T: Serialize + ?Sized>(
    text: &mut CanonicalText,
    value: &T,
) -> Result<()> {
    value.serialize(Plain { text })
}

struct Plain<'a> {
    text: &'a mut CanonicalText,
}

impl<'a> Plain<'a> {
    fn open(self, bracket: char) -> Result<&'a mut CanonicalText> {
        if !self.text.may_open() {
            return Err(ValueError::too_deep());
        }
        self.text.open(bracket);
        Ok(self.text)
    }

    /// Writes `{"Variant": `, which `close_variant` closes.
    fn open_variant(self, variant: &str) -> Result<Plain<'a>> {
        let text = self.open('{')?;
        text.entry(variant);
        Ok(Plain { text })
    }
}

fn close_variant(text: &mut CanonicalText) {
    text.end_item();
    text.close('}');
}

/// Writes a string. Refuses references, which Pylightnix would take for dependencies.
fn write_string(text: &mut CanonicalText, value: &str) -> Result<()> {
    if value.starts_with("dref:") && value.parse::<DRefId>().is_ok() {
        return Err(ValueError::new(format!(
            "is the string {value:?}, which Pylightnix would read as a dependency"
        ))
        .with_help("put the dependency into its own field, of type `DRef` and marked `#[dref]`"));
    }
    if value.starts_with("rref:") && value.parse::<RRefId>().is_ok() {
        return Err(realization(value));
    }
    text.string(value);
    Ok(())
}

/// Reports a reference of a realization: a config names derivations, and matchers choose the realizations.
pub(super) fn realization(value: &str) -> ValueError {
    ValueError::new(format!(
        "is the string {value:?}, a reference of a realization, which a config cannot hold"
    ))
    .with_help(
        "depend on its derivation with `#[dref]`, and choose the realization with the matcher `exact`",
    )
}

fn write_float<F: LowerExp + FromStr + PartialEq>(
    text: &mut CanonicalText,
    value: F,
    category: FpCategory,
    negative: bool,
) -> Result<()> {
    let problem = match category {
        FpCategory::Nan => "is NaN",
        FpCategory::Infinite if negative => "is negative infinity",
        FpCategory::Infinite => "is infinity",
        _ => {
            text.float(value);
            return Ok(());
        }
    };
    Err(
        ValueError::new(format!("{problem}, which JSON cannot represent"))
            .with_help("use a finite number, or an `Option` with `None` for this case"),
    )
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.text.integer(value);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Plain<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.text.verbatim(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        write_float(self.text, value, value.classify(), value.is_sign_negative())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        write_float(self.text, value, value.classify(), value.is_sign_negative())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.text.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        write_string(self.text, value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<()> {
        Err(
            ValueError::new("is a byte string, which JSON cannot represent").with_help(
                "use a `Vec<u8>`, written as a list of numbers, or a `String` in hex or base64",
            ),
        )
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.text.verbatim("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        write_string(self.text, variant)
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
        let inner = self.open_variant(variant)?;
        value
            .serialize(Plain {
                text: &mut *inner.text,
            })
            .map_err(|fault| fault.under_key(variant))?;
        close_variant(inner.text);
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>> {
        Ok(Items {
            text: self.open('[')?,
            index: 0,
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
        let items = self
            .open_variant(variant)?
            .serialize_tuple(len)
            .map_err(|fault| fault.under_key(variant))?;
        Ok(Items {
            variant: Some(variant),
            ..items
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>> {
        Ok(Entries {
            text: self.open('{')?,
            keys: String::new(),
            key: 0..0,
            entries: Vec::new(),
        })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>> {
        if name.starts_with(JSON_TEXT) {
            return Err(ValueError::new("holds a JSON text of serde_json, which is not canonical")
                .with_help("use `serde_json::Value` without serde_json's feature `arbitrary_precision`, or a type of your own"));
        }
        Ok(Members {
            text: self.open('{')?,
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
        let members = self
            .open_variant(variant)?
            .serialize_struct(name, len)
            .map_err(|fault| fault.under_key(variant))?;
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
    text: &'a mut CanonicalText,
    index: usize,
    /// Whether the list may be a set, whose items have no fixed order.
    may_be_set: bool,
    variant: Option<&'static str>,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.text.item();
        let start = self.text.len();
        write_plain(self.text, value)
            .map_err(|fault| in_variant(fault.under_index(self.index), self.variant))?;
        if self.index == 0 && self.text.since(start) == SELF_TAG {
            return Err(in_variant(
                ValueError::new(format!(
                    "is a list that begins with {SELF_TAG}, which Pylightnix would read as a promise"
                ))
                .with_help("declare a promise with `#[selfref(\"path\")]`, or begin the list with another value"),
                self.variant,
            ));
        }
        self.text.end_item();
        self.index += 1;
        Ok(())
    }

    fn close(self) -> Result<()> {
        if self.may_be_set {
            self.text.lists.note(self.index);
        }
        self.text.close(']');
        if self.variant.is_some() {
            close_variant(self.text);
        }
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Items<'_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.item(value)
            }

            fn end(self) -> Result<()> {
                self.close()
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

/// A struct that is being written.
struct Members<'a> {
    text: &'a mut CanonicalText,
    variant: Option<&'static str>,
}

macro_rules! members {
    ($($trait:ident),*) => {$(
        impl $trait for Members<'_> {
            type Ok = ();
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.text.entry(key);
                write_plain(self.text, value)
                    .map_err(|fault| in_variant(fault.under_key(key), self.variant))?;
                self.text.end_item();
                Ok(())
            }

            fn end(self) -> Result<()> {
                self.text.close('}');
                if self.variant.is_some() {
                    close_variant(self.text);
                }
                Ok(())
            }
        }
    )*};
}

members!(SerializeStruct, SerializeStructVariant);

/// A map that is being written: entries are written in the order of iteration, and sorted at the end.
struct Entries<'a> {
    text: &'a mut CanonicalText,
    /// The concatenated keys.
    keys: String,
    /// The range of the current key in `keys`.
    key: Range<usize>,
    entries: Vec<Entry>,
}

struct Entry {
    key: Range<usize>,
    /// The offset of the entry in the text.
    start: usize,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let start = self.keys.len();
        key.serialize(Key(&mut self.keys))?;
        self.key = start..self.keys.len();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = &self.keys[self.key.clone()];
        self.entries.push(Entry {
            key: self.key.clone(),
            start: self.text.len(),
        });
        self.text.entry(key);
        write_plain(self.text, value).map_err(|fault| fault.under_key(key))?;
        self.text.end_item();
        Ok(())
    }

    fn end(self) -> Result<()> {
        let key = |at: usize| &self.keys[self.entries[at].key.clone()];
        if !(1..self.entries.len()).all(|at| key(at - 1) < key(at)) {
            // UTF-8 bytes sort in the order of code points, as Python sorts strings.
            let mut order: Vec<usize> = (0..self.entries.len()).collect();
            order.sort_by_key(|&at| key(at));
            if let Some(twice) = order.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
                return Err(ValueError::repeated(key(twice[0])));
            }
            let starts: Vec<usize> = self.entries.iter().map(|entry| entry.start).collect();
            self.text.reorder(&starts, &order);
        }
        self.text.close('}');
        Ok(())
    }
}

/// A serializer of map keys, which must be strings or chars.
struct Key<'a>(&'a mut String);

fn no_string(what: &str) -> ValueError {
    ValueError::new(format!(
        "has a key that is {what}, and JSON keys are strings"
    ))
    .with_help("make the keys strings, or write the map as a list of pairs")
}

macro_rules! no_strings {
    ($($method:ident($($type:ty),*) $(-> $compound:ident)? : $what:literal),* $(,)?) => {$(
        fn $method(self, $(_: $type),*) -> Result<no_strings!(@ok $($compound)?)> {
            Err(no_string($what))
        }
    )*};
    (@ok) => { () };
    (@ok $compound:ident) => { Self::$compound };
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Impossible<(), ValueError>;
    type SerializeTuple = Impossible<(), ValueError>;
    type SerializeTupleStruct = Impossible<(), ValueError>;
    type SerializeTupleVariant = Impossible<(), ValueError>;
    type SerializeMap = Impossible<(), ValueError>;
    type SerializeStruct = Impossible<(), ValueError>;
    type SerializeStructVariant = Impossible<(), ValueError>;

    fn serialize_str(self, value: &str) -> Result<()> {
        self.0.push_str(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.0.push(value);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<()> {
        Err(no_string("an option"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<()> {
        Err(no_string("an enum"))
    }

    no_strings! {
        serialize_bool(bool): "a bool",
        serialize_i8(i8): "a number",
        serialize_i16(i16): "a number",
        serialize_i32(i32): "a number",
        serialize_i64(i64): "a number",
        serialize_i128(i128): "a number",
        serialize_u8(u8): "a number",
        serialize_u16(u16): "a number",
        serialize_u32(u32): "a number",
        serialize_u64(u64): "a number",
        serialize_u128(u128): "a number",
        serialize_f32(f32): "a number",
        serialize_f64(f64): "a number",
        serialize_bytes(&[u8]): "a byte string",
        serialize_none(): "an option",
        serialize_unit(): "a unit",
        serialize_unit_struct(&'static str): "a unit",
        serialize_unit_variant(&'static str, u32, &'static str): "an enum",
        serialize_seq(Option<usize>) -> SerializeSeq: "a list",
        serialize_tuple(usize) -> SerializeTuple: "a list",
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct: "a list",
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant: "an enum",
        serialize_map(Option<usize>) -> SerializeMap: "a map",
        serialize_struct(&'static str, usize) -> SerializeStruct: "a struct",
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant: "an enum",
    }
}
