use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(rename = 5)]
    maxiter: u64,
}

fn main() {}
