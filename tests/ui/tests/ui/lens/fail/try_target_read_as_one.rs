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

fn case(store: &Store) -> Result<()> {
    let run: RRef<Run> = store.realize(&instantiate(Run::new())?)?;
    Ok(())
}

fn main() {}
