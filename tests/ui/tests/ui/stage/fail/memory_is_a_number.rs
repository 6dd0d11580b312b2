use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(memory = 8)]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
