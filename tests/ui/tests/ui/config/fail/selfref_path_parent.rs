use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("../out.npy")]
    out: SelfRef,
}

fn main() {}
