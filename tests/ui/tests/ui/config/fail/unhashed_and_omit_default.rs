use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(default, unhashed, omit_default)]
    threads: usize,
}

fn main() {}
