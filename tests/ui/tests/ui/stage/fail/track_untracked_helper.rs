use pylightnix::prelude::*;

fn inner() {}

#[track(uses(inner))]
fn helper() {
    inner();
}

fn main() {}
