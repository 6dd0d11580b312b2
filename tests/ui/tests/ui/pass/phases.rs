//! What each field of each phase is.

use pylightnix::lens::format::Opaque;
use pylightnix::lens::{Artifact, Output};
use pylightnix::prelude::*;
use std::collections::BTreeMap;

#[derive(Config)]
struct Params {
    #[selfref("params.json")]
    out: SelfRef<Json<Vec<f64>>>,
}

#[derive(Config)]
struct Anneal {
    #[selfref("tree")]
    tree: SelfRef,
    #[dref]
    one: DRef<Params>,
    #[dref]
    many: DRef<Params, Many>,
    #[dref]
    optional: Option<DRef<Params>>,
    #[dref]
    listed: Vec<DRef<Params>>,
    #[dref]
    named: BTreeMap<String, DRef<Params, Many>>,
    #[dref]
    artifact: RefPath<Json<Vec<f64>>>,
    maxiter: u64,
}

fn planned(plan: &DRef<Anneal>) {
    let _: &RefPath<Opaque> = &plan.tree;
    let _: &DRef<Params> = &plan.one;
    let _: &DRef<Params, Many> = &plan.many;
    let _: &Option<DRef<Params>> = &plan.optional;
    let _: &Vec<DRef<Params>> = &plan.listed;
    let _: &BTreeMap<String, DRef<Params, Many>> = &plan.named;
    let _: &RefPath<Json<Vec<f64>>> = &plan.artifact;
    let _: u64 = plan.maxiter;
    let _: &RefPath<Json<Vec<f64>>, Many> = &plan.many.out;
}

fn building(b: &Build<Anneal>) -> Result<()> {
    let _: &Output<Opaque, _> = &b.tree;
    let _: &RRef<Params> = &b.one;
    let _: &Vec<RRef<Params>> = &b.many;
    let _: &Option<RRef<Params>> = &b.optional;
    let _: &Vec<RRef<Params>> = &b.listed;
    let _: &BTreeMap<String, Vec<RRef<Params>>> = &b.named;
    let _: &Artifact<Json<Vec<f64>>> = &b.artifact;
    let _: u64 = b.maxiter;
    let _: Vec<f64> = b.one.out.load()?;
    Ok(())
}

fn realized(run: &RRef<Anneal>) -> Result<()> {
    let _: &Artifact = &run.tree;
    let _: &RRef<Params> = &run.one;
    let _: &Vec<RRef<Params>> = &run.many;
    let _: u64 = run.maxiter;
    let _: Vec<f64> = run.artifact.load()?;
    Ok(())
}

fn main() {
    let _ = (planned, building, realized);
}
