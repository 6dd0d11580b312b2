use pylightnix::prelude::*;

struct Params {}

#[derive(Config)]
struct Case {
    #[dref]
    params: DRef<Params>,
}

fn main() {}
