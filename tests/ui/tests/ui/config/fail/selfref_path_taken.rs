use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.npy")]
    one: SelfRef,
    #[selfref("out.npy")]
    two: SelfRef,
}

fn main() {}
