use pylightnix::prelude::*;

#[derive(Config)]
struct Train {}

#[stage(sealed, read(data))]
fn train(_: &Build<Train>) -> Result<()> {
    Ok(())
}

fn main() {}
