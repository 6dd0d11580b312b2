//! Times and amounts of memory, as people write them.

/// The units of memory, in bytes.
const MEMORY: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// The units of time, in milliseconds.
const TIME: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The bytes in a text like "8GiB", or what is wrong with it.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit, rest) = part(text);
    let example = "write a number and a unit, as in `8GiB` or `500MB`";
    if number.is_empty() || !rest.is_empty() {
        return Err(format!("`{text}` is no amount of memory: {example}"));
    }
    let Some((_, size)) = MEMORY.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit.chars().next().map(|c| c.to_ascii_uppercase()) {
            None => format!("`{text}` has no unit: {example}; bytes are `{text}B`"),
            Some(c @ ('K' | 'M' | 'G' | 'T')) => {
                let decimal = if c == 'K' { 'k' } else { c };
                format!(
                    "`{unit}` is no unit of memory: write `{number}{c}iB` (steps of 1024) or `{number}{decimal}B` (steps of 1000)"
                )
            }
            Some(_) => format!(
                "`{unit}` is no unit of memory: the units are `B`, `KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB` and `TB`"
            ),
        });
    };
    match times(number, *size) {
        Some(0) => Err("a stage that needs no memory says nothing: remove `memory`".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("`{number}` is no number of {unit}: {example}")),
    }
}

/// The milliseconds in a text like "2h30m", or what is wrong with it.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let example = "write numbers and units, as in `2h30m`, `90s` or `1.5d`";
    let (mut sum, mut rest, mut last) = (0_u64, text.trim(), u64::MAX);
    if rest.is_empty() {
        return Err(format!("there is no time: {example}"));
    }
    while !rest.is_empty() {
        let (number, unit, more) = part(rest);
        rest = more;
        if number.is_empty() {
            return Err(format!("`{text}` is no time: {example}"));
        }
        let Some((_, size)) = TIME.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => format!("`{number}` has no unit: {example}"),
                _ => format!(
                    "`{unit}` is no unit of time: the units are `d`, `h`, `m` (minutes), `s` and `ms`"
                ),
            });
        };
        if *size >= last {
            return Err(format!(
                "in `{text}`, `{unit}` comes after a unit that is no larger: {example}"
            ));
        }
        last = *size;
        let Some(part) = times(number, *size) else {
            return Err(format!("`{number}` is no number of `{unit}`: {example}"));
        };
        sum = sum.saturating_add(part);
    }
    match sum {
        0 => Err(
            "a time limit of nothing stops every run: give it more, or remove `timeout`".to_owned(),
        ),
        sum => Ok(sum),
    }
}

/// A number, the unit after it, and what is left.
fn part(text: &str) -> (&str, &str, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let (number, text) = text.split_at(end.unwrap_or(text.len()));
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphabetic());
    let (unit, text) = text.split_at(end.unwrap_or(text.len()));
    (number, unit, text.trim_start())
}

/// So many times `size`, without rounding on the way.
fn times(number: &str, size: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, decimals) = number.split_once('.').unwrap_or((&number, "0"));
    let scale = 10_u64.checked_pow(decimals.len().try_into().ok()?)?;
    let decimals = u128::from(decimals.parse::<u64>().ok()?) * u128::from(size) / u128::from(scale);
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(size);
    u64::try_from(whole + decimals).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory() {
        assert_eq!(bytes("8GiB"), Ok(8 << 30));
        assert_eq!(bytes("1.5 KiB"), Ok(1536));
        assert_eq!(bytes("500MB"), Ok(500_000_000));
        assert_eq!(bytes("1_000B"), Ok(1000));
        for wrong in [
            "",
            "8",
            "8G",
            "8gb",
            "GiB",
            "8GiB 2MiB",
            "1.2.3GiB",
            "-8GiB",
            "0GiB",
            "99999999999TiB",
            "8 eggs",
            ".",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
        assert!(
            bytes("8G")
                .unwrap_err()
                .contains("`8GiB` (steps of 1024) or `8GB`")
        );
    }

    #[test]
    fn times_of_day() {
        assert_eq!(milliseconds("2h30m"), Ok(9_000_000));
        assert_eq!(milliseconds(" 1d 12h "), Ok(129_600_000));
        assert_eq!(milliseconds("0.5s"), Ok(500));
        assert_eq!(milliseconds("250ms"), Ok(250));
        for wrong in [
            "", "2", "2h30", "h", "2 hours", "30m2h", "1h1h", "0s", "-1s", "2h 30x", ".",
        ] {
            assert!(milliseconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
