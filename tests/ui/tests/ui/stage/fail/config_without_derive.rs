use pylightnix::prelude::*;

struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    maxiter: u64,
}

#[stage]
fn case(b: &Build<Case>) -> Result<CaseOutputs> {
    let out = b.out.save(&b.maxiter)?;
    Ok(CaseOutputs { out })
}

fn main() {}
