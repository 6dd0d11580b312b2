use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(defalt = 500)]
    maxiter: u64,
}

fn main() {}
