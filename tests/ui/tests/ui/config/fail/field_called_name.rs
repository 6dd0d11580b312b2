use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    name: String,
}

fn main() {}
