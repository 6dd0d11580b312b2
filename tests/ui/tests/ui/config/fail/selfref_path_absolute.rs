use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("/tmp/out.npy")]
    out: SelfRef,
}

fn main() {}
