use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(omit_default)]
    maxiter: u64,
}

fn main() {}
