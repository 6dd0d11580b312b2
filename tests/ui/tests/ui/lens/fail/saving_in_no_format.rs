use pylightnix::prelude::*;

struct Csv;

#[derive(Config)]
struct Case {
    #[selfref("out.csv")]
    out: SelfRef<Csv>,
}

fn case(b: &Build<Case>) {
    let _ = b.out.save("a,b");
}

fn main() {}
