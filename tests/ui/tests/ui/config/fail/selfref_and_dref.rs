use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[selfref("out.npy")]
    #[dref]
    params: DRef<Params>,
}

fn main() {}
