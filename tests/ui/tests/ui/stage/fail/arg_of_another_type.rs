use pylightnix::prelude::*;

struct Verbosity(u8);

#[derive(Config)]
struct Case {
    maxiter: u64,
}

struct Token;

#[stage(args(Verbosity))]
fn case(b: &Build<Case>) -> Result<()> {
    let _ = b.arg::<Token>();
    Ok(())
}

fn main() {}
