use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config]
    maxiter: u64,
}

fn main() {}
