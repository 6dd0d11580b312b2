use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed, read("/data/../etc"))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
