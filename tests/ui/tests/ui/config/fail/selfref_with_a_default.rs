use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.npy")]
    #[config(default)]
    out: SelfRef,
}

fn main() {}
