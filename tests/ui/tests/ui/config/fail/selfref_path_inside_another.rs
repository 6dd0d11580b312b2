use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out")]
    one: SelfRef,
    #[selfref("out/two.npy")]
    two: SelfRef,
}

fn main() {}
