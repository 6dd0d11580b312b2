use pylightnix::prelude::*;

#[derive(Config)]
struct Params {
    #[selfref("params.json")]
    out: SelfRef<Json<u64>>,
}

#[stage]
fn params(_: &Build<Params>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Other {}

#[stage]
fn other(_: &Build<Other>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Anneal {
    #[selfref("result.json")]
    result: SelfRef<Json<u64>>,
    #[dref]
    params: DRef<Params>,
    #[dref]
    start: RefPath<Json<u64>>,
    maxiter: u64,
}

fn case() -> Result<()> {
    let params = instantiate(Params::new())?;
    let _ = Anneal {
        maxitr: 5,
        ..Anneal::new(params.clone(), params.out.clone(), 5)
    };
    Ok(())
}

fn main() {}
