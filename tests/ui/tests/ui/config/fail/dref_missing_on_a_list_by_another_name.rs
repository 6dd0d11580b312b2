use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

type Par = DRef<Params>;

#[derive(Config)]
struct Case {
    params: Vec<Par>,
}

fn main() {}
