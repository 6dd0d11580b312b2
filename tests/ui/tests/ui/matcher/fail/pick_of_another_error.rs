use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

fn choose(runs: &[RRef<Run>]) -> pylightnix::Result<Option<RRef<Run>>> {
    Ok(runs.first().cloned())
}

#[stage(matcher = pick(choose))]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn main() {}
