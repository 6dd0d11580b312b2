use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    #[selfref("log.txt")]
    log: SelfRef<Text>,
    maxiter: u64,
}

#[stage]
fn case(b: &Build<Case>) -> Result<CaseOutputs> {
    Ok(CaseOutputs {
        out: b.out.save(&1)?,
        logs: b.log.save("done")?,
    })
}

fn main() {}
