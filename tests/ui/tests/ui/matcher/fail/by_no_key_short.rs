use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

#[stage]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Average {
    #[dref]
    runs: DRef<Run, Many>,
}

#[derive(Config)]
struct Best {
    #[dref]
    run: DRef<Run>,
}

fn energy(run: &RRef<Run>) -> Result<f64> {
    Ok(run.energy.load()?)
}

fn case() -> Result<()> {
    let _ = instantiate(Run::new())?.lowest(|run| Ok(run.energy.clone()));
    Ok(())
}

fn main() {}
