use pylightnix::prelude::*;

#[stage]
struct Case {}

fn main() {}
