use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed, read("/"))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
