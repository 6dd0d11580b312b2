use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

fn energy(run: &RRef<Run>) -> pylightnix::Result<f64> {
    run.energy.load()
}

#[stage(matcher = lowest(energy))]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn main() {}
