use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[dref("params")]
    params: DRef<Params>,
}

fn main() {}
