use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(counts(crates(pylightnix, no_such_crate)))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
