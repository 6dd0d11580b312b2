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

fn energy(run: &RRef<Run>) -> pylightnix::Result<f64> {
    run.energy.load()
}

fn case() -> Result<()> {
    let _ = instantiate(Run::new())?.lowest(energy);
    Ok(())
}

fn main() {}
