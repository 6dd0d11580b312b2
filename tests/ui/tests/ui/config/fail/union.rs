use pylightnix::prelude::*;

#[derive(Config)]
union Case {
    one: u8,
}

fn main() {}
