use pylightnix::prelude::*;

#[derive(Config)]
struct Case(u64);

fn main() {}
