//! Long chains: no operation on them recurses, as threads with a small stack show.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use tests::runs::in_memory;

const STACK: usize = 256 << 10;
/// Realizing this many stages takes seconds without optimisation; each frame of a recursion over them would have 26 bytes of
/// stack.
const MANY: u64 = 10_000;
const VERY_MANY: u64 = 100_000;

/// A link of a chain.
#[derive(Config)]
struct Link {
    #[selfref("number.txt")]
    out: SelfRef<Text>,
    #[dref]
    before: Option<DRef<Link>>,
    number: u64,
}

#[stage]
fn link(b: &Build<Link>) -> Result<LinkOutputs> {
    if let Some(before) = &b.before {
        assert_eq!(before.number + 1, b.number);
    }
    let out = b.out.save(&b.number.to_string())?;
    Ok(LinkOutputs { out })
}

fn chain(length: u64) -> DRef<Link> {
    let mut last = instantiate(Link::new(None, 0)).unwrap();
    for number in 1..length {
        last = instantiate(Link::new(Some(last), number)).unwrap();
    }
    last
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn the_plan_of_100_000() {
    on_a_small_stack(|| {
        let (_folder, store) = in_memory();
        let (plan, twin) = (chain(VERY_MANY), chain(VERY_MANY));
        assert_eq!(plan, twin);
        let hash = |plan| BuildHasherDefault::<DefaultHasher>::default().hash_one(plan);
        assert_eq!(hash(&plan), hash(&twin));
        // Both at once: every stage is visited twice.
        let dry = store.plan(&[&plan, &twin]).unwrap();
        assert_eq!(dry.steps.len() as u64, VERY_MANY);
        assert!(!dry.to_string().is_empty());
        drop((plan, twin));
    });
}

#[test]
fn the_life_of_10_000() {
    on_a_small_stack(|| live(MANY));
}

#[test]
#[ignore = "takes a minute or two"]
fn the_life_of_100_000() {
    on_a_small_stack(|| live(VERY_MANY));
}

fn live(length: u64) {
    let (_folder, store) = in_memory();
    let plan = chain(length);
    let (rref, report) = Realize::new(&store).jobs(1).run_reporting(&plan).unwrap();
    assert_eq!(
        (report.stages as u64, report.built as u64),
        (length, length)
    );
    assert_eq!(rref.out.load().unwrap(), (length - 1).to_string());
    // Again, on two threads.
    let again = Realize::new(&store).jobs(2);
    let (again, report) = again.run_reporting(&plan).unwrap();
    assert_eq!((report.built, report.reused as u64), (0, length));
    assert_eq!(again, rref);
    assert!(store.plan(&plan).unwrap().is_done());
    drop((plan, again));

    let opened = store.realization_as::<Link>(&rref).unwrap();
    drop(rref);
    let id = opened.id().clone();
    let mut at = opened;
    for number in (0..length).rev() {
        assert_eq!(at.number, number);
        match at.before.clone() {
            Some(before) => at = before,
            None => break,
        }
    }
    drop(store.realization_as::<Link>(&id).unwrap());
    let plan = store.derivation(id.dref()).unwrap();
    assert!(store.plan(&plan).unwrap().is_done());
}

#[test]
fn a_chain_that_two_threads_drop() {
    for _ in 0..20 {
        let plan = chain(5_000);
        let other = plan.clone();
        let threads = [plan, other].map(|plan| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn(move || drop(plan)).unwrap()
        });
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
