use pylightnix::prelude::*;

struct Case {}

#[stage]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
