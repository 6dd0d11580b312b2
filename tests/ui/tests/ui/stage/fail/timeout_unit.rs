use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(timeout = "10 minuts")]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
