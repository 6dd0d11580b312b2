use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

fn is_good(run: &RRef<Run>) -> pylightnix::Result<bool> {
    Ok(run.energy.load()? > 1.)
}

#[stage(matcher = latest().filter(is_good))]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn main() {}
