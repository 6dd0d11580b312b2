use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref(out)]
    out: SelfRef,
}

fn main() {}
