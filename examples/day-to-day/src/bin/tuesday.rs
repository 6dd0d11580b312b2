//! The same program on Tuesday: two new fields, and one renamed field.

use pylightnix::prelude::*;

// ANCHOR: configs
#[derive(Config)]
struct Samples {
    #[selfref("samples.json")]
    out: SelfRef<Json<Vec<f64>>>,
    count: u32,
    #[config(default = 0., omit_default)]
    offset: f64, // new
    #[config(default = 1, unhashed)]
    threads: usize,
}

#[stage(version = 1)]
fn samples(b: &Build<Samples>) -> Result<SamplesOutputs> {
    let samples = (0..b.count)
        .map(|n| f64::from(n) / 10. + b.offset)
        .collect();
    println!("sampling, threads: {}", b.threads);
    Ok(SamplesOutputs {
        out: b.out.save(&samples)?,
    })
}

#[derive(Config)]
struct Fit {
    #[selfref("fit.json")]
    out: SelfRef<Json<f64>>,
    #[dref]
    samples: DRef<Samples>,
    #[config(rename = "power")]
    exponent: i32, // was `power`
    #[config(default = 0, omit_default)]
    skip: usize, // new
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    println!("fitting");
    let samples = b.samples.out.load()?;
    let sum = samples
        .iter()
        .skip(b.skip)
        .map(|x| x.powi(b.exponent))
        .sum();
    Ok(FitOutputs {
        out: b.out.save(&sum)?,
    })
}
// ANCHOR_END: configs

// ANCHOR: show
/// Prints every result of `fit` in the store, whichever program made it.
fn show(store: &Store) -> Result<()> {
    for fit in store.find().stage::<Fit>().run()? {
        let fit = fit?;
        let (sum, samples) = (fit.out.load()?, &fit.samples);
        println!("exponent {}, skip {}: {sum:.2}", fit.exponent, fit.skip);
        println!("of {} samples, offset {}", samples.count, samples.offset);
    }
    Ok(())
}
// ANCHOR_END: show

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("show") {
        return show(&Store::open("_store")?);
    }
    let fit = instantiate(Fit::new(instantiate(Samples::new(100))?, 2))?;
    day_to_day::command(&fit)
}
