//! Matchers in all the places where they stand.

use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
    seed: u64,
}

fn energy(run: &RRef<Run>) -> Result<f64> {
    Ok(run.energy.load()?)
}

#[stage(matcher = lowest(energy).filter(|run: &RRef<Run>| Ok(run.seed > 1)))]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Best {
    #[dref]
    run: DRef<Run>,
}

#[stage(many, matcher = latest_n(3), nouts = 3)]
fn best(b: &Build<Best>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let _ = b.run.energy.load()?;
    Ok(())
}

#[derive(Config)]
struct Average {
    #[dref]
    runs: DRef<Run, Many>,
    #[dref]
    bests: DRef<Best, Many>,
}

fn main() -> Result<()> {
    let plan = || instantiate(Run::new(2));
    let many = plan()?.with_matcher(matcher::lowest_n(10, energy));
    let short = plan()?.highest(|run| Ok((energy(run)?, run.seed)));
    let best: DRef<Best, Many> = instantiate(Best::new(short))?;
    let _ = Average::new(many, best);
    let _ = Average::new(plan()?.with_matcher(matcher::all()), instantiate(Best::new(plan()?))?);
    Ok(())
}
