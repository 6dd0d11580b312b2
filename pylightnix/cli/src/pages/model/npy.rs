//! Arrays in the format npy of NumPy, as far as a drawing needs them: numbers of any width, and truth values.

/// The most numbers that are drawn of one dimension.
const MOST: usize = 512;

/// An array.
pub(crate) struct Array {
    pub(crate) kind: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) shown: Shown,
}

/// What is drawn of an array.
pub(crate) enum Shown {
    /// The numbers of an array of at most one dimension, or a sample of them with its step.
    Line { values: Vec<f64>, step: usize },
    /// The rows of an array of two dimensions, or a sample of them. Of more dimensions, the first matrix.
    Map { width: usize, values: Vec<f64> },
}

impl Array {
    /// Parses a file; says why if that cannot be done.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let fault = || "it is not an array of numbers in the format npy".to_owned();
        let (head, data) = header(bytes).ok_or_else(fault)?;
        let kind = value(head, "descr").ok_or_else(fault)?;
        let kind = kind.trim_matches(['\'', '"']).to_owned();
        let read = number(&kind)
            .ok_or_else(|| format!("it is an array of `{kind}`, which cannot be drawn"))?;
        let (read, width) = read;
        let is_fortran = value(head, "fortran_order").ok_or_else(fault)? == "True";
        let shape = value(head, "shape").ok_or_else(fault)?;
        let shape = shape.trim_matches(['(', ')']).split(',').map(str::trim);
        let shape = shape
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok());
        let shape: Vec<usize> = shape.collect::<Option<_>>().ok_or_else(fault)?;
        let mut count: usize = 1;
        for side in &shape {
            count = count.checked_mul(*side).ok_or_else(fault)?;
        }
        if count.checked_mul(width).is_none_or(|all| all > data.len()) {
            return Err("it is shorter than its header says".to_owned());
        }
        let at = |place: usize| read(&data[place * width..][..width]);
        let shown = match *shape.as_slice() {
            [] | [_] => {
                let step = count.div_ceil(MOST * 4).max(1);
                let values = (0..count).step_by(step).map(at).collect();
                Shown::Line { values, step }
            }
            [.., rows, columns] => {
                let skip = |side: usize| side.div_ceil(MOST).max(1);
                let across: Vec<usize> = (0..columns).step_by(skip(columns)).collect();
                let is_there = count > 0;
                let down = (0..rows).step_by(skip(rows)).filter(|_| is_there);
                // The first matrix of an array in Fortran's order is spread over all of it.
                let others: usize = shape[..shape.len() - 2].iter().product();
                let place = |row: usize, column: usize| match is_fortran {
                    true => (column * rows + row) * others,
                    false => row * columns + column,
                };
                let values = down.flat_map(|row| across.iter().map(move |column| (row, *column)));
                Shown::Map {
                    width: across.len(),
                    values: values.map(|(row, column)| at(place(row, column))).collect(),
                }
            }
        };
        Ok(Array { kind, shape, shown })
    }
}

/// Returns the text of the header, and what is behind it.
fn header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (version, rest) = (rest.first()?, rest.get(2..)?);
    let (length, rest) = match version {
        1 => (
            usize::from(u16::from_le_bytes(rest.get(..2)?.try_into().ok()?)),
            rest.get(2..)?,
        ),
        _ => {
            let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
            (usize::try_from(length).ok()?, rest.get(4..)?)
        }
    };
    let head = std::str::from_utf8(rest.get(..length)?).ok()?;
    Some((head, rest.get(length..)?))
}

/// Returns the value of a key in the header, a literal of Python.
fn value<'a>(head: &'a str, key: &str) -> Option<&'a str> {
    let rest = head.split_once(&format!("'{key}'"))?.1;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = match rest.starts_with('(') {
        true => rest.find(')')? + 1,
        false => rest.find([',', '}'])?,
    };
    Some(rest[..end].trim())
}

type ReadNumber = fn(&[u8]) -> f64;

/// Returns how a number of this kind is read, and its width in bytes.
fn number(kind: &str) -> Option<(ReadNumber, usize)> {
    macro_rules! read {
        ($type:ty, $from:ident) => {
            Some((
                (|bytes: &[u8]| {
                    bytes
                        .try_into()
                        .map_or(f64::NAN, |bytes| <$type>::$from(bytes) as f64)
                }) as ReadNumber,
                size_of::<$type>(),
            ))
        };
    }
    match kind {
        "<f8" => read!(f64, from_le_bytes),
        ">f8" => read!(f64, from_be_bytes),
        "<f4" => read!(f32, from_le_bytes),
        ">f4" => read!(f32, from_be_bytes),
        "<i8" => read!(i64, from_le_bytes),
        "<i4" => read!(i32, from_le_bytes),
        "<i2" => read!(i16, from_le_bytes),
        "|i1" => read!(i8, from_le_bytes),
        "<u8" => read!(u64, from_le_bytes),
        "<u4" => read!(u32, from_le_bytes),
        "<u2" => read!(u16, from_le_bytes),
        "|u1" | "|b1" => read!(u8, from_le_bytes),
        _ => None,
    }
}
