use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[derive(Config)]
struct Case {
    #[dref]
    params: std::collections::BTreeMap<u64, DRef<Params>>,
}

fn main() {}
