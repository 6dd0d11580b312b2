use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref]
    out: SelfRef,
}

fn main() {}
