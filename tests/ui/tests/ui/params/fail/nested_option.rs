use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(nested)]
    train: Option<Train>,
}

#[derive(Params)]
struct Train {
    #[param(default = 0.1)]
    rate: f64,
}

fn main() {}
