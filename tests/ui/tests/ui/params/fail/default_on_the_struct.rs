use pylightnix::prelude::*;

#[derive(Params)]
#[param(default)]
struct Settings {
    clusters: usize,
}

fn main() {}
