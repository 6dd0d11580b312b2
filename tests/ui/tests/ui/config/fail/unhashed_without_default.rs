use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(unhashed)]
    threads: usize,
}

fn main() {}
