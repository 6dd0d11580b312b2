use pylightnix::prelude::*;

#[derive(Config)]
#[config(crate = pylight)]
struct Case {
    maxiter: u64,
}

fn main() {
    let _ = Case::new(1);
}
