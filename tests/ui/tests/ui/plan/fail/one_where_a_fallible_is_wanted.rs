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
struct Report {
    #[dref]
    run: DRef<Run, Try<One>>,
}

fn case() -> Result<()> {
    let _ = Report::new(instantiate(Run::new())?);
    Ok(())
}

fn main() {}
