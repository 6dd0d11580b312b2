use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(defualt = 3)]
    clusters: usize,
}

fn main() {}
