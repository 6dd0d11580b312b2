use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    rate: f64,
    #[param(rename = "rate")]
    other: f64,
}

fn main() {}
