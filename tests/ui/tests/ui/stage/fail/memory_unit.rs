use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(memory = "8G")]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
