use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(default = 1, default = 2)]
    maxiter: u64,
}

fn main() {}
