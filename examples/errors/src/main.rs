//! Stages with their own error types, and how a program handles them.

use std::num::ParseFloatError;

use pylightnix::prelude::*;
use pylightnix::{Error, ErrorKind};

// ANCHOR: own
/// An error in a table.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("the table is empty")]
    Empty,
    #[error("line {line} is not a number")]
    Number {
        line: usize,
        #[source]
        cause: ParseFloatError,
    },
    #[error(transparent)]
    Library(#[from] Error), // so that `?` takes the library's errors as well
}

#[derive(Config)]
struct Table {
    #[selfref("numbers.json")]
    numbers: SelfRef<Json<Vec<f64>>>,
    text: String,
}

#[stage]
fn table(b: &Build<Table>) -> Result<TableOutputs, TableError> {
    let numbers = parse(&b.text)?;
    Ok(TableOutputs {
        numbers: b.numbers.save(&numbers)?,
    })
}

fn parse(text: &str) -> Result<Vec<f64>, TableError> {
    if text.is_empty() {
        return Err(TableError::Empty);
    }
    let numbers = text.lines().zip(1..).map(|(text, line)| {
        let number = text.parse();
        number.map_err(|cause| TableError::Number { line, cause })
    });
    numbers.collect()
}
// ANCHOR_END: own

// ANCHOR: anyhow
mod with_anyhow {
    use anyhow::{Context as _, ensure};
    use pylightnix::prelude::*;

    #[derive(Config)]
    pub struct Mean {
        #[selfref("mean.json")]
        mean: SelfRef<Json<f64>>,
        text: String,
    }

    #[stage]
    fn mean(b: &Build<Mean>) -> anyhow::Result<MeanOutputs> {
        let numbers = super::parse(&b.text).context("the mean needs numbers")?;
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        ensure!(mean.is_finite(), "the mean is {mean}");
        Ok(MeanOutputs {
            mean: b.mean.save(&mean)?,
        })
    }
}
use with_anyhow::Mean;
// ANCHOR_END: anyhow

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    let part = std::env::args().nth(1).unwrap_or_default();
    match part.as_str() {
        "forms" => forms(&store),
        "decided" => decided(&store),
        "several" => several(&store),
        "context" => context(&store),
        "main" => returned(&store),
        _ => Err("say one of forms, decided, several, context, main".into()),
    }
}

fn forms(store: &Store) -> Result<()> {
    // ANCHOR: forms
    let plan = instantiate(Table::new("1.5\ntwo\n".to_owned()))?;
    if let Err(e) = store.realize(&plan) {
        println!("{{e}}:\n{e}\n");
        println!("{{e:#}}:\n{e:#}\n");
        println!("{{e:?}}:\n{e:?}\n");
        println!("e.help():\n{}", e.help().unwrap_or_default());
    }
    // ANCHOR_END: forms
    Ok(())
}

fn decided(store: &Store) -> Result<()> {
    // ANCHOR: decided
    let plan = instantiate(Table::new(String::new()))?;
    match store.realize(&plan) {
        Ok(table) => println!("{:?}", table.numbers.load()?),
        Err(error) => match (error.kind(), table_error(&error)) {
            (_, Some(TableError::Empty)) => println!("nothing to do: the table is empty"),
            (ErrorKind::Cancelled, _) => println!("stopped"),
            _ => return Err(error.into()),
        },
    }
    // ANCHOR_END: decided
    Ok(())
}

// ANCHOR: cause
/// Returns the error of the stage, if it is a cause.
fn table_error(error: &Error) -> Option<&TableError> {
    error.causes().find_map(|cause| cause.downcast_ref())
}
// ANCHOR_END: cause

fn several(store: &Store) -> Result<()> {
    // ANCHOR: several
    let texts = ["one", "2\ntwo"].map(str::to_owned);
    let plans: Result<Vec<_>> = texts
        .map(|text| Ok(instantiate(Table::new(text))?))
        .into_iter()
        .collect();
    if let Err(error) = Realize::new(store).keep_going().run(&plans?) {
        println!("{error}");
        for part in error.parts() {
            println!("- {part}");
            if let Some(folder) = part.path() {
                println!("  its folder: {}", folder.display());
            }
        }
    }
    // ANCHOR_END: several
    Ok(())
}

fn context(store: &Store) -> Result<()> {
    // ANCHOR: context
    let plan = instantiate(Mean::new("three".to_owned()))?;
    if let Err(error) = store.realize(&plan) {
        println!("{error:?}\n");
        let error = anyhow::Error::from(error).context("no mean today");
        println!("{error:#}");
    }
    // ANCHOR_END: context
    Ok(())
}

fn returned(store: &Store) -> Result<()> {
    let plan = instantiate(Mean::new("1\ninf".to_owned()))?;
    println!("{}", store.realize(&plan)?.path().display());
    Ok(())
}
