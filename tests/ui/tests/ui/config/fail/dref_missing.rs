use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    params: DRef<Params>,
}

fn main() {}
