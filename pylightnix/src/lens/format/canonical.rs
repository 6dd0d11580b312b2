//! Values as bytes, alike for equal values: a serde serializer in the wire format of postcard, with sorted maps.
//!
//! Formats compare what they saved with what they would load by these bytes, and `Postcard` writes them. The format is small and fixed
//! (<https://postcard.jamesmunns.com/wire-format>): each length and whole number is a varint, signed ones in zigzag, everything else is as in memory.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::ops::Range;

use crate::BoxError;
use crate::config::{Lists, ValueError};

type Result<T, E = ValueError> = std::result::Result<T, E>;

/// A value as bytes.
pub(super) struct Canonical {
    pub(super) bytes: Vec<u8>,
    lists: Lists,
}

impl Canonical {
    /// Serializes a value.
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, BoxError> {
        let mut to = Canonical {
            bytes: Vec::new(),
            lists: Lists::default(),
        };
        value
            .serialize(Writer { to: &mut to })
            .map_err(ValueError::of_value)?;
        Ok(to)
    }

    /// Checks that what `read` gives is the value. A set that has another order in each process is told by reading it several times.
    pub(super) fn expect<T: Serialize + DeserializeOwned>(
        &self,
        read: impl Fn() -> Result<T, BoxError>,
    ) -> Result<(), BoxError> {
        for _ in 0..self.lists.round_trips(self.bytes.len()) {
            let read = read().map_err(|error| {
                format!(
                    "what was written cannot be read back as the same type: {error}; check the serde attributes of the type"
                )
            })?;
            if Canonical::of(&read)?.bytes != self.bytes {
                return Err(
                    "it would be read back as another value: use types with a fixed order, such as `BTreeSet` instead of `HashSet`, one \
                     `Option` instead of two around each other, and serde attributes that are symmetric"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn varint(&mut self, mut value: u128) {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                return self.bytes.push(low);
            }
            self.bytes.push(low | 0x80);
        }
    }

    fn length(&mut self, length: usize) {
        self.varint(length as u128);
    }

    fn zigzag(&mut self, value: i128) {
        self.varint(((value << 1) ^ (value >> 127)).cast_unsigned());
    }
}

/// Where a list or a map begins whose length may not be known yet.
struct Counted {
    /// The number of items that was announced, or where the number goes.
    length: std::result::Result<usize, usize>,
    count: usize,
}

impl Counted {
    fn begin(to: &mut Canonical, length: Option<usize>) -> Self {
        if let Some(length) = length {
            to.length(length);
        }
        Counted {
            length: length.ok_or(to.bytes.len()),
            count: 0,
        }
    }

    fn end(self, to: &mut Canonical) -> Result<()> {
        match self.length {
            Ok(length) if length == self.count => Ok(()),
            Ok(length) => Err(ValueError::new(format!(
                "is announced with {length} items, and has {}",
                self.count
            ))),
            Err(at) => {
                let items = to.bytes.split_off(at);
                to.length(self.count);
                to.bytes.extend(items);
                Ok(())
            }
        }
    }
}

struct Writer<'a> {
    to: &'a mut Canonical,
}

macro_rules! varints {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.to.varint(value.into());
            Ok(())
        }
    )*};
}

macro_rules! zigzags {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.to.zigzag(value.into());
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = Fields<'a>;
    type SerializeTupleStruct = Fields<'a>;
    type SerializeTupleVariant = Fields<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    varints! {
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    zigzags! {
        serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.serialize_u8(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.to.bytes.push(value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_u8(value.cast_unsigned())
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.to.bytes.extend(value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.to.bytes.extend(value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.to.length(value.len());
        self.to.bytes.extend(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.to.bytes.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<()> {
        self.serialize_u32(index)
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
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.to.varint(index.into());
        value
            .serialize(self)
            .map_err(|fault| fault.under_key(variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'a>> {
        let counted = Counted::begin(self.to, length);
        Ok(List {
            to: self.to,
            counted,
        })
    }

    fn serialize_tuple(self, _: usize) -> Result<Fields<'a>> {
        Ok(Fields {
            to: self.to,
            count: 0,
        })
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<Fields<'a>> {
        self.to.varint(index.into());
        self.serialize_tuple(length)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a>> {
        let counted = Counted::begin(self.to, length);
        Ok(Entries {
            to: self.to,
            counted,
            entries: Vec::new(),
        })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>> {
        self.serialize_tuple(length)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<Fields<'a>> {
        self.to.varint(index.into());
        self.serialize_tuple(length)
    }
}

/// A list, or a set, that is being written.
struct List<'a> {
    to: &'a mut Canonical,
    counted: Counted,
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value
            .serialize(Writer { to: &mut *self.to })
            .map_err(|fault| fault.under_index(self.counted.count))?;
        self.counted.count += 1;
        Ok(())
    }

    fn end(self) -> Result<()> {
        self.to.lists.note(self.counted.count);
        self.counted.end(self.to)
    }
}

/// A tuple or a struct that is being written: its type says how many fields there are.
struct Fields<'a> {
    to: &'a mut Canonical,
    count: usize,
}

macro_rules! tuples {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Fields<'_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                value
                    .serialize(Writer { to: &mut *self.to })
                    .map_err(|fault| fault.under_index(self.count))?;
                self.count += 1;
                Ok(())
            }

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

tuples!(
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl $trait for Fields<'_> {
            type Ok = ();
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                value
                    .serialize(Writer { to: &mut *self.to })
                    .map_err(|fault| fault.under_key(key))
            }

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

/// A map that is being written: entries are written in the order of iteration, and sorted at the end by the bytes of their keys.
struct Entries<'a> {
    to: &'a mut Canonical,
    counted: Counted,
    entries: Vec<Entry>,
}

/// Where the key and the value of an entry are.
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let start = self.to.bytes.len();
        key.serialize(Writer { to: &mut *self.to })
            .map_err(|fault| fault.under_index(self.counted.count))?;
        let end = self.to.bytes.len();
        self.entries.push(Entry {
            key: start..end,
            value: end..end,
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value
            .serialize(Writer { to: &mut *self.to })
            .map_err(|fault| fault.under_index(self.counted.count))?;
        if let Some(entry) = self.entries.last_mut() {
            entry.value.end = self.to.bytes.len();
        }
        self.counted.count += 1;
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        let bytes = &self.to.bytes;
        let key = |entry: &Entry| &bytes[entry.key.clone()];
        if !self.entries.is_sorted_by(|a, b| key(a) < key(b)) {
            let start = self.entries.first().map_or(0, |entry| entry.key.start);
            self.entries.sort_by(|a, b| key(a).cmp(key(b)));
            let sorted = self
                .entries
                .iter()
                .map(|entry| &bytes[entry.key.start..entry.value.end]);
            let sorted = sorted.collect::<Vec<_>>().concat();
            self.to.bytes.truncate(start);
            self.to.bytes.extend(sorted);
        }
        self.counted.end(self.to)
    }
}
