//! Some numbers, and their mean.

use pylightnix::prelude::*;

/// Some numbers.
#[derive(Config)]
struct Numbers {
    #[selfref("numbers.json")] // a promise: an artifact that the stage makes
    out: SelfRef<Json<Vec<f64>>>,
    count: u32, // a parameter
}

#[stage]
fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
    let numbers = (0..b.count).map(f64::from).collect();
    Ok(NumbersOutputs {
        out: b.out.save(&numbers)?,
    })
}

/// Their mean.
#[derive(Config)]
struct Mean {
    #[selfref("mean.json")]
    out: SelfRef<Json<f64>>,
    #[dref] // a dependency: another stage
    numbers: DRef<Numbers>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    let numbers = b.numbers.out.load()?; // typed: a Vec<f64>
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    Ok(MeanOutputs {
        out: b.out.save(&mean)?,
    })
}

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    let plan = instantiate(Mean::new(instantiate(Numbers::new(100))?))?; // nothing has run yet
    let (mean, report) = Realize::new(&store).run_reporting(&plan)?;
    println!("{report}");
    println!("{} in {}", mean.out.load()?, mean.path().display());
    Ok(())
}
