use pylightnix::prelude::*;

#[derive(Config)]
struct Case<T> {
    x: T,
}

fn main() {}
