use pylightnix::prelude::*;

#[derive(Config)]
struct Run {
    #[selfref("energy.json")]
    energy: SelfRef<Json<f64>>,
}

fn case(_: DRef<Run, Try<Many>>) {}

fn main() {}
