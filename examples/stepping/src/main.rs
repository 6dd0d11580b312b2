//! Steps through a plan, and builds one of its stages by hand.

use pylightnix::prelude::*;
use stepping::{MeanOutputs, experiment};

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    let experiment = experiment()?;
    if store.plan(&experiment)?.is_done() {
        println!(
            "nothing to build: {}",
            store.realize(&experiment)?.out.load()?
        );
        return Ok(());
    }
    stepping(&store, &experiment)?;
    after(&store, &experiment)
}

fn stepping(store: &Store, experiment: &DRef<stepping::Report>) -> Result<()> {
    // ANCHOR: stepping
    let mut stepping = store.step(experiment)?;
    while let Some(next) = stepping.next_to_build()? {
        println!("{next}");
        if next.dref == *experiment.mean.id() {
            let mut b = stepping.take(&experiment.mean)?;
            let mut samples = b.samples.out.load()?;
            println!("  the samples are {samples:?}: 40.2 is 4.02, with the point misread");
            samples.retain(|length| *length < 10.);
            let mean = samples.iter().sum::<f64>() / samples.len() as f64;
            let out = b.out.save(&mean)?;
            b.finish(MeanOutputs { out })?;
        } else {
            stepping.run_next()?;
        }
    }
    println!("{}", stepping.run_all()?.out.load()?);
    // ANCHOR_END: stepping
    Ok(())
}

fn after(store: &Store, experiment: &DRef<stepping::Report>) -> Result<()> {
    // ANCHOR: after
    println!("\n{}", store.plan(experiment)?);
    println!("{}", store.realize(experiment)?.out.load()?);
    // ANCHOR_END: after
    Ok(())
}
