use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(skip)]
    maxiter: u64,
}

fn main() {}
