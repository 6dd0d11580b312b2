use pylightnix::prelude::*;

#[derive(Config)]
#[config(crate = ::std)]
struct Case {
    maxiter: u64,
}

fn main() {}
