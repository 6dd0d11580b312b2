use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[selfref("out.npy")]
    out: DRef<Params>,
}

fn main() {}
