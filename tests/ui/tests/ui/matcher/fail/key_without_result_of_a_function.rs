use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

fn energy(_: &RRef<Run>) -> f64 {
    1.
}

#[stage(matcher = lowest(energy))]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn main() {}
