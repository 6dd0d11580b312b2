//! The cost of one stage in system calls and allocations: counts, which do not depend on the load. A change that increases
//! them has to give the reason here.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use allocation_counter::measure;
use pylightnix::prelude::*;
use pylightnix::store::Durability;

/// A stage that writes its number.
#[derive(Config)]
struct Step {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    from: Option<DRef<Step>>,
    number: u64,
}

#[stage(name = "counted")]
fn step(b: &Build<Step>) -> Result<StepOutputs> {
    Ok(StepOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

fn chain(count: u64) -> DRef<Step> {
    let mut last = instantiate(Step::new(None, 0)).unwrap();
    for number in 1..count {
        last = instantiate(Step::new(Some(last), number)).unwrap();
    }
    last
}

/// Returns the cost of each stage beyond the first few, without the fixed cost of a run.
fn each(of: impl Fn(u64) -> u64) -> f64 {
    let (few, many) = (100, 1_100);
    (of(many) - of(few)) as f64 / (many - few) as f64
}

/// Creates a store in which a chain is realized and cached by the index.
fn realized(root: &Path, count: u64) -> (Store, DRef<Step>) {
    let store = Store::open(root).unwrap();
    let store = store.with_durability(Durability::None);
    let target = chain(count);
    store.realize(&target).unwrap();
    // A folder that has just changed is not cached by the index.
    std::thread::sleep(std::time::Duration::from_millis(200));
    store.realize(&target).unwrap();
    (store, target)
}

#[test]
fn allocations_of_a_plan() {
    let each = each(|count| measure(|| drop(black_box(chain(count)))).count_total);
    assert!(
        each <= 3.0,
        "instantiating a stage takes {each} allocations"
    );
}

/// Returns the allocations of realizing the target on this thread alone, where they are counted.
fn allocations(store: &Store, target: &DRef<Step>) -> u64 {
    let run = || drop(black_box(Realize::new(store).jobs(1).run(target).unwrap()));
    measure(run).count_total
}

#[test]
fn allocations_of_a_hit() {
    let folder = tempfile::tempdir().unwrap();
    let each = each(|count| {
        let (store, target) = realized(&folder.path().join(count.to_string()), count);
        allocations(&store, &target)
    });
    assert!(
        each <= 0.2,
        "finding that a stage is there takes {each} allocations"
    );
}

/// The memory that a stage holds until the end of the run that builds it, at most.
#[test]
fn memory_of_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let each = each(|count| {
        let store = Store::open(folder.path().join(count.to_string())).unwrap();
        let store = store.with_durability(Durability::None);
        let run = || {
            let target = chain(count);
            drop(black_box(
                Realize::new(&store).jobs(1).run(&target).unwrap(),
            ));
        };
        measure(run).bytes_max
    });
    assert!(each <= 1_800.0, "a stage that is built holds {each} bytes");
}

#[test]
fn allocations_of_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let each = each(|count| {
        let store = Store::open(folder.path().join(count.to_string())).unwrap();
        let store = store.with_durability(Durability::None);
        let target = chain(count);
        allocations(&store, &target)
    });
    // Six of them note what the stage looks at: the notes and their list, the list of dependencies, and for each a list of
    // handles, one handle and the place where it lies.
    assert!(
        each <= 202.0,
        "a stage of one small file takes {each} allocations"
    );
}

#[test]
fn system_calls_of_a_hit() {
    let calls = each(|count| {
        let words = &["chain", &count.to_string()];
        calls("noop", words, Before::Realized)
    });
    // On a busy machine threads sometimes wait for each other, which adds calls.
    assert!(
        calls <= 1.2,
        "finding that a stage is there takes {calls} system calls"
    );
}

/// As many as later: the run that built a stage told the index what it published.
#[test]
fn system_calls_of_the_first_hit_after_a_build() {
    let calls = each(|count| {
        let words = &["chain", &count.to_string()];
        calls("noop", words, Before::JustBuilt)
    });
    assert!(
        calls <= 1.2,
        "finding that a stage was built takes {calls} system calls"
    );
}

#[test]
fn system_calls_of_a_build() {
    let calls = each(|count| {
        let words = &["chain", &count.to_string()];
        calls("noop", words, Before::Nothing)
    });
    assert!(
        calls <= 63.0,
        "a stage of one small file takes {calls} system calls"
    );
}

/// What happened before the system calls are counted.
enum Before {
    Nothing,
    /// Another process built the plan.
    JustBuilt,
    /// Another process built it, and a further one found it some time later.
    Realized,
}

/// Returns the number of system calls of a child process that realizes a plan. Calls for waiting on other threads depend on
/// the load, and are not counted.
fn calls(benchmark: &str, words: &[&str], before: Before) -> u64 {
    campaigns::syscalls::need_strace().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, table) = (folder.path().join("store"), folder.path().join("calls"));
    let child = |mut program: Command| {
        let args = [["child", benchmark].as_slice(), words].concat();
        let done = program.args(args).arg(&store).output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    let bench = env!("CARGO_BIN_EXE_bench");
    match before {
        Before::Nothing => {}
        Before::JustBuilt => child(Command::new(bench)),
        Before::Realized => {
            child(Command::new(bench));
            std::thread::sleep(std::time::Duration::from_millis(200));
            child(Command::new(bench));
        }
    }
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-c", "-o"])
        .arg(&table)
        .arg(bench);
    child(strace);
    let table = std::fs::read_to_string(&table).unwrap();
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let counts = lines.filter_map(|words| {
        let waits = ["total", "futex", "sched_yield"];
        let is_call = words.last().is_some_and(|name| !waits.contains(name));
        is_call.then(|| words.get(3)?.parse::<u64>().ok()).flatten()
    });
    let sum = counts.sum();
    assert!(sum > 100, "strace told of {sum} calls:\n{table}");
    sum
}
