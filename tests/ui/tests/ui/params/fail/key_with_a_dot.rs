use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    #[param(rename = "train.rate")]
    rate: f64,
}

fn main() {}
