use pylightnix::prelude::*;

#[derive(Config)]
#[config(rename = "case")]
struct Case {
    maxiter: u64,
}

fn main() {}
