use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed, read("data/x"))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
