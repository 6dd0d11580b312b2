//! A user-defined format, artifacts without a format, and artifacts as dependencies.

use pylightnix::prelude::*;

// ANCHOR: format
use pylightnix::BoxError;
use std::path::Path;

/// Integers, one per line.
enum Lines {}

impl Format for Lines {
    type Value = Vec<i64>;
    type View = [i64];

    fn read(path: &Path) -> Result<Vec<i64>, BoxError> {
        std::fs::read_to_string(path)?
            .lines()
            .map(|line| Ok(line.parse()?))
            .collect()
    }

    fn write(value: &[i64], path: &Path) -> Result<(), BoxError> {
        let lines: Vec<_> = value.iter().map(|number| format!("{number}\n")).collect();
        Ok(std::fs::write(path, lines.concat())?)
    }
}
// ANCHOR_END: format

// ANCHOR: squares
#[derive(Config)]
struct Squares {
    #[selfref("squares.txt")]
    out: SelfRef<Lines>,
    #[selfref("parts")]
    parts: SelfRef, // no format: a file or a folder
    count: i64,
}

#[stage]
fn squares(b: &Build<Squares>) -> Result<SquaresOutputs> {
    let squares: Vec<_> = (1..=b.count).map(|n| n * n).collect();
    std::fs::create_dir(b.parts.path())?;
    for (n, part) in squares.chunks(2).enumerate() {
        std::fs::write(
            b.parts.path().join(format!("{n}.txt")),
            format!("{part:?}\n"),
        )?;
    }
    Ok(SquaresOutputs {
        out: b.out.save(&squares)?,
        parts: b.parts.written()?,
    })
}
// ANCHOR_END: squares

// ANCHOR: sum
/// The sum of the numbers in a file, whichever stage makes it.
#[derive(Config)]
struct Sum {
    #[selfref("sum.json")]
    out: SelfRef<Json<i64>>,
    #[dref]
    of: RefPath<Lines>,
}

#[stage]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let sum = b.of.load()?.iter().sum();
    Ok(SumOutputs {
        out: b.out.save(&sum)?,
    })
}
// ANCHOR_END: sum

fn main() -> Result<()> {
    let store = Store::open("_store")?;

    // ANCHOR: phases
    // Planned: nothing has run. A promise is a path that other configs can refer to.
    let squares = instantiate(Squares::new(4))?;
    let path: RefPath<Lines> = squares.out.clone();
    let sum = instantiate(Sum::new(path))?;

    // Realized: the artifacts exist.
    let (squares, sum) = store.realize(&(squares, sum))?;
    println!("{:?} add up to {}", squares.out.load()?, sum.out.load()?);
    println!(
        "{}",
        std::fs::read_to_string(squares.parts.path().join("1.txt"))?.trim()
    );
    // ANCHOR_END: phases
    Ok(())
}
