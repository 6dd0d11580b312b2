use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    out: Option<SelfRef>,
}

fn main() {}
