use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("a\\out.npy")]
    out: SelfRef,
}

fn main() {}
