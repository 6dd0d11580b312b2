use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param = 3]
    clusters: usize,
}

fn main() {}
