use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[dref]
    #[config(default, unhashed)]
    params: Option<DRef<Params>>,
}

fn main() {}
