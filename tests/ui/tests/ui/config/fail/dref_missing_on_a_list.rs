use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    params: Vec<DRef<Params>>,
}

fn main() {}
