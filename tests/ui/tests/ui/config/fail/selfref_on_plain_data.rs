use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.npy")]
    out: String,
}

fn main() {}
