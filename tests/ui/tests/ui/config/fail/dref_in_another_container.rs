use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    params: std::collections::HashMap<String, DRef<Params>>,
}

fn main() {}
