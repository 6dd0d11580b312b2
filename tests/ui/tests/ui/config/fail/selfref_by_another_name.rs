use pylightnix::prelude::*;

type Out = SelfRef<Json<u64>>;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: Out,
}

fn main() {}
