use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(threads = 0)]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
