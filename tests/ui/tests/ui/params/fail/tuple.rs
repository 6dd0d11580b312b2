use pylightnix::prelude::*;

#[derive(Params)]
struct Settings(f64);

fn main() {}
