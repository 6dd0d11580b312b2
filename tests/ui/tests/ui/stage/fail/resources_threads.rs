use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(resources(threads = 4))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
