use pylightnix::prelude::*;

#[derive(ParamEnum, serde::Serialize, serde::Deserialize)]
enum Model {
    Small,
    Layers(Vec<u32>),
}

fn main() {}
