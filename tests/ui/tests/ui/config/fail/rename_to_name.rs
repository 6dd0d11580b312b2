use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[config(rename = "name")]
    title: String,
}

fn main() {}
