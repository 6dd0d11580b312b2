use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

#[stage(fallible)]
fn run(_: &Build<Run>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Report {
    #[dref]
    run: DRef<Run, Try<One>>,
}

fn case(b: &Build<Report>) {
    let _ = b.run.energy.load();
}

fn main() {}
