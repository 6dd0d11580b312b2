use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(default = 1)]
    #[config(omit_default, default = 2)]
    maxiter: u64,
}

fn main() {}
