use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    name: String,
    #[selfref("/out.npy")]
    out: SelfRef,
    #[dref]
    maxiter: u64,
    #[config(ommit_default, unhash)]
    threads: usize,
}

#[stage]
fn case(b: &Build<Case>) -> Result<CaseOutputs> {
    let _ = (b.maxiter + 1, b.threads, &b.name);
    Ok(CaseOutputs {
        out: b.out.written()?,
    })
}

fn main() {}
