use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(nested)]
    train: Train,
}

struct Train {
    rate: f64,
}

fn main() {}
