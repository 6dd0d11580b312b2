use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out/one.npy")]
    one: SelfRef,
    #[selfref("out")]
    two: SelfRef,
}

fn main() {}
