use pylightnix::prelude::*;

#[track]
mod helpers {}

fn main() {}
