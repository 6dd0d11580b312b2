use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    out: SelfRef<Json<u64>>,
}

fn main() {}
