use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(default = "many")]
    maxiter: u64,
}

fn main() {}
