//! Reading NumPy array files as numbers, whatever their element type.
//!
//! The format is [NumPy's own](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).

/// The numbers of a one-dimensional array; dimensions of length 1 are ignored.
pub(super) struct Values {
    pub(super) values: Vec<f64>,
    /// Whether the array is a scalar: all dimensions have length 1.
    pub(super) is_one: bool,
}

/// Reads an array; returns `None` if the file is malformed, has several dimensions, or has another element type.
pub(super) fn values(bytes: &[u8]) -> Option<Values> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (&[major, _], rest) = rest.split_first_chunk()?;
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    let header = std::str::from_utf8(header).ok()?;
    let kind = after(header, "'descr'")?.strip_prefix('\'')?;
    let (kind, _) = kind.split_once('\'')?;
    let shape = after(header, "'shape'")?.strip_prefix('(')?;
    let (shape, _) = shape.split_once(')')?;
    let sizes = shape
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    let sizes: Vec<usize> = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
    if sizes.iter().filter(|size| **size != 1).count() > 1 {
        return None;
    }
    let count = sizes.iter().product();
    let (size, read) = reader(kind)?;
    let data = data.get(..size.checked_mul(count)?)?;
    Some(Values {
        values: data.chunks_exact(size).map(read).collect(),
        is_one: sizes.iter().all(|size| *size == 1),
    })
}

/// Returns the text after a key in a header, which is a Python dictionary literal.
fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(key)?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

type Reader = fn(&[u8]) -> f64;

/// Returns the size and the decoder of an element type.
fn reader(kind: &str) -> Option<(usize, Reader)> {
    macro_rules! of {
        ($type:ty, $from:ident) => {
            (size_of::<$type>(), |bytes| match bytes.try_into() {
                // Large integers lose precision.
                Ok(bytes) => <$type>::$from(bytes) as f64,
                Err(_) => f64::NAN,
            })
        };
    }
    Some(match kind {
        "|b1" | "|u1" => of!(u8, from_le_bytes),
        "|i1" => of!(i8, from_le_bytes),
        "<u2" => of!(u16, from_le_bytes),
        "<i2" => of!(i16, from_le_bytes),
        "<u4" => of!(u32, from_le_bytes),
        "<i4" => of!(i32, from_le_bytes),
        "<u8" => of!(u64, from_le_bytes),
        "<i8" => of!(i64, from_le_bytes),
        "<f4" => of!(f32, from_le_bytes),
        "<f8" => of!(f64, from_le_bytes),
        ">u2" => of!(u16, from_be_bytes),
        ">i2" => of!(i16, from_be_bytes),
        ">u4" => of!(u32, from_be_bytes),
        ">i4" => of!(i32, from_be_bytes),
        ">u8" => of!(u64, from_be_bytes),
        ">i8" => of!(i64, from_be_bytes),
        ">f4" => of!(f32, from_be_bytes),
        ">f8" => of!(f64, from_be_bytes),
        _ => return None,
    })
}
