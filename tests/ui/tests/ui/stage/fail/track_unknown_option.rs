use pylightnix::prelude::*;

#[track(use(helper))]
fn helper() {}

fn main() {}
