use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(reads(artifacts))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
