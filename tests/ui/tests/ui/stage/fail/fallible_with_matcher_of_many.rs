use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

#[stage(fallible, matcher = all())]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn main() {}
