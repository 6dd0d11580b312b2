use pylightnix::prelude::*;

#[derive(Config)]
#[config(crate = "pylightnix")]
struct Case {
    maxiter: u64,
}

fn main() {}
