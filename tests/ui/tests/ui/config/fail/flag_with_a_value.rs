use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(default = 5, unhashed = true)]
    threads: u64,
}

fn main() {}
