use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(read("/data/x"))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
