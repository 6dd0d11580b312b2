use pylightnix::prelude::*;

#[derive(Config)]
struct Case {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    #[selfref("log.txt")]
    log: SelfRef<Text>,
    maxiter: u64,
}

impl Case {
    #[stage]
    fn case(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
