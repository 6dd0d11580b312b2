use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[dref]
    #[config(default)]
    params: DRef<Params>,
}

fn main() {}
