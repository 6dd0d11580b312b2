//! Little-endian encoding of numbers and strings in index files.

/// A decoder that takes values off the front of a slice. Each method returns `None` if too few bytes are left.
pub(in crate::store) struct Reader<'a>(pub(in crate::store) &'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::store) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(in crate::store) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(in crate::store) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(in crate::store) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(in crate::store) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(in crate::store) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Takes a byte string written by [`put_text`] or [`put_sized`].
    pub(in crate::store) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    pub(in crate::store) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

pub(in crate::store) fn put_u32(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_le_bytes());
}

pub(in crate::store) fn put_u64(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&number.to_le_bytes());
}

pub(in crate::store) fn put_i64(to: &mut Vec<u8>, number: i64) {
    to.extend_from_slice(&number.to_le_bytes());
}

/// Writes what `put` appends, prefixed by its length; read it with [`Reader::bytes`].
pub(in crate::store) fn put_sized(to: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    put_u32(to, 0);
    put(to);
    let length = (to.len() - start - 4) as u32;
    to[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Writes `bytes` prefixed by their length, which must be below 4 GiB; read them with [`Reader::bytes`].
pub(in crate::store) fn put_text(to: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(to, bytes.len() as u32);
    to.extend_from_slice(bytes);
}
