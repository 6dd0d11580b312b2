//! The stages, realized by pylightnix.

use std::path::Path;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use super::shape::{Shape, write};

/// A stage that writes some files.
#[derive(Config)]
struct Data {
    #[selfref("data")]
    out: SelfRef,
    #[dref]
    deps: Vec<DRef<Data>>,
    files: u64,
    bytes: u64,
    number: u64,
}

#[stage]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let out = b.out.path();
    if b.files == 1 {
        write(out, b.number, b.bytes)?;
    } else {
        std::fs::create_dir(out)?;
        for at in 0..b.files {
            write(&out.join(format!("{at:04}")), at, b.bytes)?;
        }
    }
    Ok(DataOutputs {
        out: b.out.written()?,
    })
}

/// Realizes this number of stages of the shape in a new store; returns the time.
pub(super) fn publish(
    shape: &Shape,
    stages: u64,
    durability: Durability,
    root: &Path,
) -> Result<Duration> {
    let store = Store::open(root)?.with_durability(durability);
    let stage = |deps, number| instantiate(Data::new(deps, shape.files, shape.bytes, number));
    let mut plan = Vec::new();
    for number in 0..stages {
        // Stages of a chain have to be made one after another.
        let deps = if shape.jobs == 1 {
            plan.pop().into_iter().collect()
        } else {
            vec![]
        };
        plan.push(stage(deps, number)?);
    }
    let begun = Instant::now();
    Realize::new(&store).jobs(shape.jobs).run(&plan)?;
    Ok(begun.elapsed())
}
