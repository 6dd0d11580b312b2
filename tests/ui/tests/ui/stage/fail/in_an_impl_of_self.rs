use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    maxiter: u64,
}

impl Case {
    #[stage]
    fn case(b: &Build<Self>) -> Result<CaseOutputs> {
        let out = b.out.save(&b.maxiter)?;
        Ok(CaseOutputs { out })
    }
}

fn main() {}
