use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[dref]
    out: SelfRef,
}

fn main() {}
