use pylightnix::prelude::*;

#[derive(Config)]
struct Params {
    #[selfref("params.json")]
    out: SelfRef<Json<Vec<f64>>>,
    seed: u64,
}

#[derive(Config)]
struct Anneal {
    #[selfref("result.json")]
    result: SelfRef<Json<f64>>,
    #[selfref("tree")]
    tree: SelfRef,
    #[dref]
    params: DRef<Params>,
    #[dref]
    runs: DRef<Params, Many>,
    #[dref]
    before: Option<DRef<Params>>,
    maxiter: u64,
}

fn case(b: &Build<Anneal>) {
    for run in &b.params {
        let _ = run.seed;
    }
}

fn main() {}
