use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("a")]
    #[selfref("b")]
    out: SelfRef,
}

fn main() {}
