use pylightnix::prelude::*;

struct Verbosity(u8);

#[derive(Config)]
struct Case {
    maxiter: u64,
}

#[stage]
fn case(b: &Build<Case>) -> Result<()> {
    let Verbosity(_) = b.arg();
    Ok(())
}

fn main() {}
