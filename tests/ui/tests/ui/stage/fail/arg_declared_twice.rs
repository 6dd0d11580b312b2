use pylightnix::prelude::*;

struct Verbosity(u8);

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage(args(Verbosity, Verbosity))]
fn case(b: &Build<Case>) -> Result<()> {
    let _ = b.arg::<Verbosity>();
    Ok(())
}

fn main() {}
