use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    #[selfref("log.txt")]
    log: SelfRef<Text>,
    maxiter: u64,
}

struct Model<T>(T);

#[stage(uses(Model<u8>))]
fn case(_: &Build<Case>) -> Result<()> {
    let _ = Model(1);
    Ok(())
}

fn main() {}
