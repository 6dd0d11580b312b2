use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(nested, default)]
    train: Train,
}

#[derive(Params, Default)]
struct Train {
    #[param(default = 0.1)]
    rate: f64,
}

fn main() {}
