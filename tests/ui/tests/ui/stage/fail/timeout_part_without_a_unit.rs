use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(timeout = "2h 30")]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
