use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(network)]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
