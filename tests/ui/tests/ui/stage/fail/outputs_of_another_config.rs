use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    #[selfref("log.txt")]
    log: SelfRef<Text>,
    maxiter: u64,
}

#[derive(Config)]
struct Other {}

#[stage]
fn case(_: &Build<Case>) -> Result<OtherOutputs> {
    Ok(OtherOutputs {})
}

fn main() {}
