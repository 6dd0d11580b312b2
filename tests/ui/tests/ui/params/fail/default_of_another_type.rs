use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(default = "three")]
    clusters: usize,
}

fn main() {}
