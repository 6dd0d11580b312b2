use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(crate = pylightnix)]
    clusters: usize,
}

fn main() {}
