use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[dref]
    maxiter: u64,
}

fn main() {}
