use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    maxiter: u64,
    #[config(rename = "maxiter")]
    steps: u64,
}

fn main() {}
