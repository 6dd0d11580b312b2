use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(resources(gpu = 1, gpu = 2))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
