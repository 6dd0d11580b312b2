use pylightnix::prelude::*;

type Out = SelfRef<Json<u64>>;

#[derive(Config)]
struct Case {
    out: Out,
}

fn main() {}
