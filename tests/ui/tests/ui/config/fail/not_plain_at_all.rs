use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    start: std::time::Instant,
}

fn main() {}
