use pylightnix::prelude::*;

#[derive(Clone)]
struct Method;

#[derive(Config)]
struct Case {
    method: Method,
}

fn main() {}
