use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed, read("/data/\0"))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
