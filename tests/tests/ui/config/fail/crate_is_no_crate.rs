use pylightnix::prelude::*;

#[derive(Config)]
#[config(crate = pylight)]
struct Case {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    maxiter: u64,
}

fn main() {
    let _ = Case::new(1);
}
