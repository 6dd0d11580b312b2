use pylightnix::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
enum Model {
    Small,
}

#[derive(Params)]
struct Settings {
    #[param(default)]
    model: Model,
}

fn main() {}
