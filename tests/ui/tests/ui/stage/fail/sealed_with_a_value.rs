use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed = true)]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
