use pylightnix::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Method;

#[derive(Config)]
struct Case {
    method: Method,
}

fn main() {}
