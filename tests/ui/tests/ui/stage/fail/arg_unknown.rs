use pylightnix::prelude::*;

struct Verbosity(u8);

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(args(Verbositi))]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
