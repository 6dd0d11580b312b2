use pylightnix::prelude::*;

#[derive(ParamEnum)]
enum Model {
    Small,
}

fn main() {}
