use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(retries = -1)]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
