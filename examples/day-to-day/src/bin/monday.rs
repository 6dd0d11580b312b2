//! A program, as it is on Monday.

use pylightnix::prelude::*;

// ANCHOR: configs
#[derive(Config)]
struct Samples {
    #[selfref("samples.json")]
    out: SelfRef<Json<Vec<f64>>>,
    count: u32,
    #[config(default = 1, unhashed)]
    threads: usize,
}

#[stage(version = 1)]
fn samples(b: &Build<Samples>) -> Result<SamplesOutputs> {
    let samples = (0..b.count).map(|n| f64::from(n) / 10.).collect();
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
    power: i32,
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    println!("fitting");
    let samples = b.samples.out.load()?;
    let sum = samples.iter().map(|x| x.powi(b.power)).sum();
    Ok(FitOutputs {
        out: b.out.save(&sum)?,
    })
}
// ANCHOR_END: configs

fn main() -> Result<()> {
    // ANCHOR: unhashed
    let samples = instantiate(Samples {
        threads: 4,
        ..Samples::new(100)
    })?;
    // ANCHOR_END: unhashed
    let fit = instantiate(Fit::new(samples, 2))?;
    day_to_day::command(&fit)
}
