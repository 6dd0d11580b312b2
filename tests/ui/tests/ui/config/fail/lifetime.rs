use pylightnix::prelude::*;

#[derive(Config)]
struct Case<'a> {
    title: &'a str,
}

fn main() {}
