use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(counts(rustc, compiler))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
