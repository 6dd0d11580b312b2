use pylightnix::prelude::*;

#[derive(ParamEnum)]
struct Settings {
    rate: f64,
}

fn main() {}
