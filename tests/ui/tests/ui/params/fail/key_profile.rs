use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    profile: String,
}

fn main() {}
