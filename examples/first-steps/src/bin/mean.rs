//! The book's second program: some numbers, and their mean.

use pylightnix::prelude::*;

/// Some numbers.
#[derive(Config)]
struct Numbers {
    #[selfref("numbers.json")]
    out: SelfRef<Json<Vec<f64>>>,
    count: u32,
}

#[stage]
fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
    println!("making {} numbers", b.count);
    let numbers = (0..b.count).map(|n| f64::from(n).sqrt()).collect();
    Ok(NumbersOutputs {
        out: b.out.save(&numbers)?,
    })
}

// ANCHOR: mean
/// Their mean.
#[derive(Config)]
struct Mean {
    #[selfref("mean.json")]
    out: SelfRef<Json<f64>>,
    #[dref]
    numbers: DRef<Numbers>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    println!("taking the mean");
    let numbers = b.numbers.out.load()?;
    let mean = numbers.iter().sum::<f64>() / f64::from(b.numbers.count);
    Ok(MeanOutputs {
        out: b.out.save(&mean)?,
    })
}
// ANCHOR_END: mean

fn main() -> Result<()> {
    let store = Store::open("_store")?;

    // ANCHOR: realize
    let mean = instantiate(Mean::new(instantiate(Numbers::new(5))?))?;
    let mean = store.realize(&mean)?;
    println!(
        "{:.4} is the mean of {:.2?}",
        mean.out.load()?,
        mean.numbers.out.load()?
    );
    // ANCHOR_END: realize

    println!("and of others:");
    // ANCHOR: targets
    let mut means = Vec::new();
    for count in [5, 50] {
        means.push(instantiate(Mean::new(instantiate(Numbers::new(count))?))?);
    }
    for mean in store.realize(&means)? {
        println!(
            "{:.4} is the mean of {}",
            mean.out.load()?,
            mean.numbers.count
        );
    }
    // ANCHOR_END: targets
    Ok(())
}
