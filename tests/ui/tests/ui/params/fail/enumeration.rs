use pylightnix::prelude::*;

#[derive(Params)]
enum Model {
    Small,
    Large,
}

fn main() {}
