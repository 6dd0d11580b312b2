//! Errors of another crate, `anyhow`, in stages, formats, experiments and programs.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use anyhow::{Context as _, bail, ensure};
use pylightnix::BoxError;
use pylightnix::prelude::*;
use pylightnix_cli::App;
use std::path::Path;
use tests::runs::{assert_says, scratch};

/// A format whose functions return `anyhow` errors.
struct Lines;

fn read(path: &Path) -> anyhow::Result<Vec<u32>> {
    let text = std::fs::read_to_string(path)?;
    let number = |line: &str| {
        line.parse()
            .with_context(|| format!("{line:?} is no number"))
    };
    text.lines().map(number).collect()
}

impl Format for Lines {
    type Value = Vec<u32>;
    type View = [u32];

    fn read(path: &Path) -> Result<Vec<u32>, BoxError> {
        Ok(read(path)?)
    }

    fn write(value: &[u32], path: &Path) -> Result<(), BoxError> {
        fn write(value: &[u32], path: &Path) -> anyhow::Result<()> {
            ensure!(!value.is_empty(), "no numbers");
            let lines: String = value.iter().map(|number| format!("{number}\n")).collect();
            Ok(std::fs::write(path, lines)?)
        }
        Ok(write(value, path)?)
    }
}

#[derive(Config)]
struct Numbers {
    #[selfref("numbers.txt")]
    out: SelfRef<Lines>,
    numbers: Vec<u32>,
}

/// A key function that returns an `anyhow` error.
fn count(run: &RRef<Numbers>) -> anyhow::Result<usize> {
    Ok(run.out.load()?.len())
}

#[stage(matcher = highest(|run: &RRef<Numbers>| Ok(count(run)?)).filter(|run: &RRef<Numbers>| Ok(count(run)? > 0)))]
fn numbers(b: &Build<Numbers>) -> anyhow::Result<NumbersOutputs> {
    Ok(NumbersOutputs {
        out: b.out.save(&b.numbers)?,
    })
}

#[derive(Config)]
struct Sum {
    #[selfref("sum.json")]
    out: SelfRef<Json<u32>>,
    #[dref]
    numbers: DRef<Numbers>,
}

#[stage(fallible)]
fn sum(b: &Build<Sum>) -> anyhow::Result<SumOutputs> {
    let numbers = b.numbers.out.load()?;
    let sum = numbers.iter().sum();
    if sum > 10 {
        return Err(anyhow::anyhow!("{sum} is too much")).context("the sum cannot be told");
    }
    Ok(SumOutputs {
        out: b.out.save(&sum)?,
    })
}

/// A function that returns the prelude's `Result`.
fn checked(numbers: &[u32]) -> Result<Vec<u32>> {
    match numbers {
        [13, ..] => Err("13 comes last".into()),
        numbers => Ok(numbers.to_vec()),
    }
}

fn plan(numbers: &[u32]) -> anyhow::Result<DRef<Sum, Try<One>>> {
    let numbers = checked(numbers).map_err(anyhow::Error::from_boxed)?;
    if numbers.contains(&13) {
        bail!("13 is no number for an experiment");
    }
    let numbers = instantiate(Numbers::new(numbers))?.highest(|run| Ok(count(run)?));
    Ok(instantiate(Sum::new(numbers))?)
}

#[test]
fn stages_and_formats() -> anyhow::Result<()> {
    let (_folder, store) = scratch();
    let sum = store.realize(&plan(&[1, 2, 3])?)?;
    assert_eq!(sum.unwrap().out.load()?, 6);
    assert_eq!(plan(&[13]).unwrap_err().to_string(), "13 comes last");
    assert!(plan(&[1, 13]).is_err());

    let failure = store.realize(&plan(&[4, 7])?)?.unwrap_err();
    assert!(
        failure.text().contains("the sum cannot be told"),
        "{failure:?}"
    );
    assert!(failure.text().contains("11 is too much"), "{failure:?}");

    let error = store.realize(&plan(&[])?).unwrap_err();
    assert_says(
        &error,
        &["stage `numbers` failed", "artifact `out`", "no numbers"],
    );
    let said = error.to_string();
    assert!(said.contains("stage `numbers` failed"), "{said}");
    assert_eq!(said.matches("no numbers").count(), 1, "{said}");
    // On one line, and as a `main` function prints it, where a backtrace may follow.
    let theirs = anyhow::Error::from(error);
    assert_eq!(format!("{theirs:#}"), said);
    assert!(format!("{theirs:?}").starts_with(&said));
    Ok(())
}

#[test]
fn a_full_disk_is_no_result() {
    let full = || std::io::Error::from_raw_os_error(28); // ENOSPC
    let (_folder, store) = scratch();
    let sum = plan(&[1])
        .unwrap()
        .with_realizer("full", move |b| -> Result<()> {
            let refused = pylightnix::Error::io("write", b.path(), full());
            Err(anyhow::Error::from(refused).into()) // which hides the types of its causes
        });
    let error = store.realize(&sum).unwrap_err();
    assert_says(&error, &["the disk is full", &full().to_string()]);

    let read_only = || std::io::Error::from_raw_os_error(30); // EROFS
    let sum = sum.with_realizer("read-only", move |b| -> Result<()> {
        let refused = pylightnix::Error::io("write", b.path(), read_only());
        Err(anyhow::Error::from(refused).into())
    });
    let error = store.realize(&sum).unwrap_err();
    assert_says(&error, &["stage `sum` failed", &read_only().to_string()]);
}

#[test]
fn experiments() {
    // Closures need no type annotations, and a function with another error type can be called in one.
    let _ = App::new()
        .target("sum", |_| Ok(plan(&[1])?))
        .target("both", |_| Ok([plan(&[1])?, plan(&[2])?]))
        .target("many", |_| {
            let text = std::fs::read_to_string("numbers.txt")?;
            let number: u32 = text.trim().parse()?;
            Ok(instantiate(Numbers::new(vec![number]))?)
        });
    let _main = || pylightnix_cli::main(|| plan(&[1]));
}
