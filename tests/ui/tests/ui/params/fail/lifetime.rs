use pylightnix::prelude::*;

#[derive(Params)]
struct Settings<'a> {
    name: &'a str,
}

fn main() {}
