use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(crate = pylightnix)]
    maxiter: u64,
}

fn main() {}
