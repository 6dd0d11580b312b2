use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

#[stage(many)]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

fn case() -> Result<()> {
    let _ = instantiate(Run::new())?.or_failure();
    Ok(())
}

fn main() {}
