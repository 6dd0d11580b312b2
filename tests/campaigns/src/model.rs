//! `model`: model-based tests of a store. After any sequence of operations on two stores, they contain what a model of a few
//! sets predicts: publications, links, roots, collections, removals, archives, copies, and processes that exit or die.
//!
//! The end of a process is simulated by dropping the store and moving its folder for a moment, so that its lease is released
//! as that of a dead process. A death during a build is simulated by never dropping the draft. The campaign `kill` has real
//! deaths.

mod reference;
mod system;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};
use pylightnix::prelude::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::Options;
use crate::figures::Figures;
use reference::Model;
use system::Stores;

const CASES: usize = 20_000;
/// The maximum number of steps in a case.
const STEPS: usize = 40;

/// Runs the campaign; the count is the number of cases.
///
/// # Errors
/// Never fails: every problem is a violation.
pub fn model(options: &Options) -> Result<Figures> {
    let cases = options.count.unwrap_or(CASES);
    let config = Config {
        cases: u32::try_from(cases)?,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config.clone(), rng);
    let strategy = Model::sequential_strategy(1..STEPS);
    let figures = std::cell::RefCell::new(Figures::default());
    let begun = Instant::now();
    let ran = runner.run(&strategy, |(model, steps, seen)| {
        let mut figures = figures.borrow_mut();
        figures.rounds += 1;
        for step in &steps {
            figures.count(step.name());
        }
        if figures.rounds % 1000 == 0 {
            eprintln!("{} cases in {:?}", figures.rounds, begun.elapsed());
        }
        drop(figures);
        let config = config.clone();
        let run = AssertUnwindSafe(|| Stores::test_sequential(config, model, steps, seen));
        catch_unwind(run).map_err(|why| {
            let text = (why.downcast_ref::<String>().cloned())
                .or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            TestCaseError::fail(text.unwrap_or_default())
        })
    });
    let mut figures = figures.into_inner();
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(why, (_, steps, _))) => {
            figures.violations.push(format!("{why}\nafter {steps:#?}"));
        }
        Err(TestError::Abort(why)) => figures.violations.push(why.to_string()),
    }
    Ok(figures)
}
