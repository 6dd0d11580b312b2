use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    train__rate: f64,
}

fn main() {}
