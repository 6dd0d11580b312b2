use pylightnix::prelude::*;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Level {
    Low,
}

#[derive(Config)]
struct Case {
    #[config(default)]
    level: Level,
}

fn main() {}
