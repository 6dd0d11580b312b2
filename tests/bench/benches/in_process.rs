//! The cost of single calls in a running process: `cargo bench -p bench`. The program `bench` measures whole processes.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pylightnix::prelude::*;
use pylightnix::store::Durability;

/// A stage that writes its number.
#[derive(Config)]
struct Step {
    #[selfref("out.json")]
    out: SelfRef<Json<u64>>,
    #[dref]
    from: Option<DRef<Step>>,
    number: u64,
}

#[stage(name = "measured")]
fn step(b: &Build<Step>) -> Result<StepOutputs> {
    Ok(StepOutputs {
        out: b.out.save(&b.number)?,
    })
}

fn chain(count: u64) -> Result<DRef<Step>> {
    let mut last = instantiate(Step::new(None, 0))?;
    for number in 1..count {
        last = instantiate(Step::new(Some(last), number))?;
    }
    Ok(last)
}

/// The number of stages in a chain.
const STAGES: u64 = 1_000;

fn calls(criterion: &mut Criterion) {
    let measured = measure(criterion);
    if let Err(error) = measured {
        eprintln!("{error:?}");
        std::process::exit(1);
    }
}

fn measure(criterion: &mut Criterion) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path().join("store"))?.with_durability(Durability::None);
    let (one, many) = (chain(1)?, chain(STAGES)?);
    store.realize(&many)?;
    // A folder that has just changed is not cached by the index.
    std::thread::sleep(Duration::from_millis(300));
    let rref = store.realize(&one)?;

    let mut group = criterion.benchmark_group("one stage");
    group.bench_function("instantiate", |b| b.iter(|| black_box(chain(1).is_ok())));
    group.bench_function("realize, when it is there", |b| {
        b.iter(|| black_box(store.realize(&one).is_ok()));
    });
    group.bench_function("plan", |b| b.iter(|| black_box(store.plan(&one).is_ok())));
    group.bench_function("load an artifact", |b| {
        b.iter(|| black_box(rref.out.load().is_ok()))
    });
    group.finish();

    let mut group = criterion.benchmark_group("a chain of 1,000, each stage");
    group.throughput(Throughput::Elements(STAGES));
    group.bench_function("instantiate", |b| {
        b.iter(|| black_box(chain(STAGES).is_ok()))
    });
    group.bench_function("realize, when it is there", |b| {
        b.iter(|| black_box(store.realize(&many).is_ok()));
    });
    group.finish();
    Ok(())
}

criterion_group!(benches, calls);
criterion_main!(benches);
