//! Durations and sizes have the same syntax in `#[stage(..)]`, in `realize::parse_duration` and `realize::parse_bytes`, and in options
//! of the command line. `tests/ui/tests/ui/stage/fail` has the compiler's messages for invalid ones.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::time::Duration;

use pylightnix::ErrorKind;
use pylightnix::plan::{Limits, Stage};
use pylightnix::prelude::*;
use pylightnix::realize::{parse_bytes, parse_duration};
use tests::line::Line;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Each text, its value, and the limits of a stage that uses it.
macro_rules! table {
    ($option:ident, [$($text:tt = $value:expr,)*]) => {
        [$({
            #[derive(Config)]
            struct Case {}

            #[stage($option = $text)]
            fn case(_: &Build<Case>) -> Result<()> {
                Ok(())
            }

            ($text, $value, <Case as Stage>::limits())
        },)*]
    };
}

/// Every option that takes a duration, and every one that takes a size.
const DURATIONS: [&str; 5] = [
    "find --newer",
    "find --older",
    "gc --dry-run --older-than",
    "roots --older-than",
    "run numbers --grace",
];
const SIZES: [&str; 2] = ["gc --dry-run --free-at-most", "run numbers --memory"];

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_experiment"))
}

/// Runs the program with this text for each of the options; returns the exit codes, 2 for an invalid text, and the output.
fn options(line: &Line, options: &[&str], text: &str) -> Vec<(i32, String)> {
    let said = options.iter().map(|option| {
        let (command, option) = option.rsplit_once(' ').unwrap();
        let mut command = line.command(command);
        let said = line.said(command.arg(format!("{option}={text}")).output().unwrap());
        (said.code, said.err)
    });
    said.collect()
}

#[test]
fn durations() {
    let table = table!(
        timeout,
        [
            "90" = 90 * SECOND,
            "1.5" = 3 * SECOND / 2,
            "90s" = 90 * SECOND,
            " 90 s " = 90 * SECOND,
            "2h30m" = 9000 * SECOND,
            "2h 30m" = 9000 * SECOND,
            "2 hours 30 minutes" = 9000 * SECOND,
            "30m 2h" = 9000 * SECOND,
            "1h1h" = 7200 * SECOND,
            "1 day 1 hour 1 min 1 sec" = 90_061 * SECOND,
            "1.5d" = 129_600 * SECOND,
            "0.1d" = 8640 * SECOND,
            "2w" = 1_209_600 * SECOND,
            "3 weeks" = 1_814_400 * SECOND,
            "1_000s" = 1000 * SECOND,
            ".5s" = SECOND / 2,
            "250ms" = SECOND / 4,
            "0.1ms" = 100_000,
            "5us" = 5000,
            "0.000000001s" = 1,
            "1.999999999999999999999s" = 2 * SECOND - 1,
        ]
    );
    let line = line();
    for (text, nanoseconds, limits) in table {
        let time = Duration::from_nanos(nanoseconds);
        assert_eq!(parse_duration(text).unwrap(), time, "{text}");
        assert_eq!(limits, Limits::new().timeout(time), "{text}");
        for (code, err) in options(&line, &DURATIONS, text) {
            assert_ne!(code, 2, "{text}: {err}");
        }
    }
    // A stage cannot have this limit, but an age can be zero.
    assert_eq!(parse_duration("0s").unwrap(), Duration::ZERO);
    assert_eq!(
        parse_duration("18446744073709551615s").unwrap().as_secs(),
        u64::MAX
    );
}

#[test]
fn no_durations() {
    let table = [
        ("", "`` is not a valid duration"),
        ("h", "`h` is not a valid duration"),
        (".", "`.` is not a valid duration"),
        ("_s", "`_s` is not a valid duration"),
        ("soon", "`soon` is not a valid duration"),
        ("-1s", "`-1s` is not a valid duration"),
        ("+1s", "`+1s` is not a valid duration"),
        (
            "1e3s",
            "`1e3s` is not a valid duration: there is no unit `e`",
        ),
        ("1..5s", "`1..5s` is not a valid duration"),
        ("1h 5", "`1h 5` is not a valid duration: `5` has no unit"),
        ("5 1h", "`5 1h` is not a valid duration: `5` has no unit"),
        ("1h, 5m", "`1h, 5m` is not a valid duration"),
        (
            "10 minuts",
            "`10 minuts` is not a valid duration: there is no unit `minuts`",
        ),
        ("5M", "`5M` is not a valid duration: there is no unit `M`"),
        (
            "99999999999999w",
            "`99999999999999w` is not a valid duration: it is too long",
        ),
        (
            "999999999999999999999999999999999999999999s",
            "is not a valid duration: it is too long",
        ),
    ];
    let line = line();
    for (text, says) in table {
        let error = parse_duration(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resources);
        assert!(error.to_string().ends_with(says), "{text}: {error}");
        assert!(format!("{error:?}").contains("as in `90s`"), "{error:?}");
        for (code, err) in options(&line, &DURATIONS, text) {
            assert_eq!(code, 2, "{text}");
            assert!(err.contains(says) || text.is_empty(), "{text}: {err}");
        }
    }
}

#[test]
fn sizes() {
    let table = table!(
        memory,
        [
            "8B" = 8,
            "8GiB" = 8 << 30,
            "8 GiB" = 8 << 30,
            " 8GiB " = 8 << 30,
            "1.5 KiB" = 1536,
            "1MiB" = 1 << 20,
            "2TiB" = 2 << 40,
            "3PiB" = 3 << 50,
            "5kB" = 5000,
            "500MB" = 500_000_000,
            "0.1GB" = 100_000_000,
            "1_000MB" = 1_000_000_000,
            "2TB" = 2_000_000_000_000,
            "3PB" = 3_000_000_000_000_000,
            ".5kB" = 500,
            "1.0009kB" = 1000,
            "18446744073709551615B" = u64::MAX,
        ]
    );
    let line = line();
    for (text, size, limits) in table {
        assert_eq!(parse_bytes(text).unwrap(), size, "{text}");
        assert_eq!(limits, Limits::new().memory(size), "{text}");
        for (code, err) in options(&line, &SIZES, text) {
            assert_ne!(code, 2, "{text}: {err}");
        }
    }
    assert_eq!(parse_bytes("0B").unwrap(), 0);
}

#[test]
fn no_sizes() {
    let table = [
        ("", "`` is not a valid size"),
        ("8", "`8` is not a valid size: it has no unit"),
        ("GiB", "`GiB` is not a valid size"),
        (".", "`.` is not a valid size"),
        ("8G", "`8G` is not a valid size: there is no unit `G`"),
        ("8gb", "`8gb` is not a valid size: there is no unit `gb`"),
        (
            "8 eggs",
            "`8 eggs` is not a valid size: there is no unit `eggs`",
        ),
        ("-8GiB", "`-8GiB` is not a valid size"),
        ("+1B", "`+1B` is not a valid size"),
        ("1.-5B", "`1.-5B` is not a valid size"),
        ("1.2.3GiB", "`1.2.3GiB` is not a valid size"),
        ("8GiB 2MiB", "`8GiB 2MiB` is not a valid size"),
        (
            "99999999999TiB",
            "`99999999999TiB` is not a valid size: it is too large",
        ),
        (
            "18446744073709551616B",
            "is not a valid size: it is too large",
        ),
    ];
    let line = line();
    for (text, says) in table {
        let error = parse_bytes(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resources);
        assert!(error.to_string().ends_with(says), "{text}: {error}");
        for (code, err) in options(&line, &SIZES, text) {
            assert_eq!(code, 2, "{text}");
            assert!(err.contains(says) || text.is_empty(), "{text}: {err}");
        }
    }
    let help = |text| format!("{:?}", parse_bytes(text).unwrap_err());
    assert!(help("8G").contains("write `8GiB` (steps of 1024) or `8GB` (steps of 1000)"));
    assert!(help("8").contains("bytes are `8B`"));
    assert!(help("8 eggs").contains("the units are `B`, `KiB`"));
}
