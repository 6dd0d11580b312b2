//! The resources of stages and of runs: the total use never exceeds the limit, and no stage waits forever.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use proptest::prelude::*;
use pylightnix::plan::Limits;
use pylightnix::prelude::{Result, *};
use pylightnix::realize::{Cancel, Event, parse_bytes};
use pylightnix::store::Store;
use pylightnix::{Error, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use tests::runs::{Told, assert_says, in_memory, scratch};

/// A stage with dependencies, whose needs are given by the tests.
#[derive(Config)]
struct Work {
    #[selfref("title.txt")]
    text: SelfRef<Text>,
    #[dref]
    after: Vec<DRef<Work>>,
    title: String,
}

#[stage]
fn work(b: &Build<Work>) -> Result<WorkOutputs> {
    let text = b.text.save(&b.title)?;
    Ok(WorkOutputs { text })
}

/// A stage with resources in its attribute.
#[derive(Config)]
struct Large {
    #[config(default = 2, unhashed)]
    threads: usize,
}

#[stage(threads = 3, memory = "1.5GiB", resources(gpu = 2, licence = 1))]
fn large(b: &Build<Large>) -> Result<()> {
    assert_eq!(b.threads(), 3);
    Ok(())
}

/// A stage with several runs per build.
#[derive(Config)]
struct Several {
    #[selfref("index.txt")]
    index: SelfRef<Text>,
}

#[stage(many, nouts = 6, matcher = all(), resources(gpu = 1))]
fn several(_: &Build<Several>) -> Result<SeveralOutputs> {
    Err("it is given another realizer".into())
}

fn of(title: &str) -> DRef<Work> {
    instantiate(Work::new(Vec::new(), title.to_owned())).unwrap()
}

fn doing<F>(work: DRef<Work>, f: F) -> DRef<Work>
where
    F: Fn(&Build<Work>) -> Result<()> + Send + Sync + 'static,
{
    work.with_realizer("doing", move |b| -> Result<WorkOutputs> {
        f(b)?;
        let text = b.text.save(&b.title)?;
        Ok(WorkOutputs { text })
    })
}

fn gpus(n: u32) -> Limits {
    Limits::new().resource("gpu", n)
}

#[track_caller]
fn error_of<T>(result: pylightnix::Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was realized"),
        Err(error) => error,
    }
}

/// A gate that opens once; threads that arrive earlier wait.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    change: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.change.notify_all();
    }

    fn pass(&self) {
        let patience = Duration::from_secs(60);
        let open = self.open.lock().unwrap();
        let waited = self
            .change
            .wait_timeout_while(open, patience, |open| !*open);
        assert!(!waited.unwrap().1.timed_out(), "nobody opened it");
    }
}

/// The current and the maximum use of resources.
#[derive(Default)]
struct InUse {
    now: Mutex<BTreeMap<&'static str, (u64, u64)>>,
    change: Condvar,
}

impl InUse {
    fn more(&self, needs: &[(&'static str, u64)]) {
        let mut now = self.now.lock().unwrap();
        for (name, amount) in needs {
            let (used, most) = now.entry(name).or_default();
            *used += amount;
            *most = (*most).max(*used);
        }
        self.change.notify_all();
    }

    fn less(&self, needs: &[(&'static str, u64)]) {
        let mut now = self.now.lock().unwrap();
        for (name, amount) in needs {
            now.get_mut(name).unwrap().0 -= amount;
        }
    }

    fn most(&self, name: &str) -> u64 {
        self.now
            .lock()
            .unwrap()
            .get(name)
            .map_or(0, |(_, most)| *most)
    }

    /// Waits until the maximum use reaches this amount.
    fn wait_for_most(&self, name: &'static str, most: u64) {
        let patience = Duration::from_secs(60);
        let now = self.now.lock().unwrap();
        let less = |now: &mut BTreeMap<_, (u64, u64)>| now[name].1 < most;
        let waited = self.change.wait_timeout_while(now, patience, less);
        assert!(
            !waited.unwrap().1.timed_out(),
            "they do not go side by side"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn never_more_than_there_is_and_all_get_through(
        // For each stage, its needs, and which of the earlier stages it depends on.
        stages in proptest::collection::vec((1..4_u32, 0..5_u64, 0..3_u32, any::<u32>()), 1..25),
        jobs in 1..6_usize,
    ) {
        let (_folder, store) = in_memory();
        let in_use = Arc::new(InUse::default());
        let mut plan: Vec<DRef<Work>> = Vec::new();
        for (at, (threads, memory, gpu, after)) in stages.into_iter().enumerate() {
            let after = plan.iter().enumerate().filter(|(dep, _)| after >> dep & 0b11 == 0b11);
            let after = after.map(|(_, dep)| dep.clone()).collect();
            let work = instantiate(Work::new(after, at.to_string())).unwrap();
            let limits = Limits::new().threads(threads).memory(memory).resource("gpu", gpu);
            let needs = [("threads", u64::from(threads)), ("memory", memory), ("gpu", gpu.into())];
            let in_use = in_use.clone();
            plan.push(doing(work.with_limits(limits), move |_| {
                in_use.more(&needs);
                thread::yield_now();
                in_use.less(&needs);
                Ok(())
            }));
        }
        let run = Realize::new(&store).jobs(jobs).threads(3).memory(4).resource("gpu", 2);
        let (realized, report) = run.run_reporting(&plan).unwrap();
        prop_assert_eq!((realized.len(), report.runs), (plan.len(), plan.len()));
        prop_assert!(in_use.most("threads") <= 3);
        prop_assert!(in_use.most("memory") <= 4);
        prop_assert!(in_use.most("gpu") <= 2);
    }
}

#[test]
fn a_big_one_is_not_passed_by_small_ones() {
    let (_folder, store) = scratch();
    let gates: Vec<Arc<Gate>> = (0..3).map(|_| Arc::default()).collect();
    let waiting = |work: DRef<Work>, gate: usize| {
        let gate = gates[gate].clone();
        doing(work, move |_| {
            gate.pass();
            Ok(())
        })
    };
    // The big stage is done when the first two small ones run.
    let both = waiting(of("both"), 2);
    let then = |title: &str, n| {
        let work = instantiate(Work::new(vec![both.clone()], title.to_owned())).unwrap();
        doing(work.with_limits(gpus(n)), |_| Ok(()))
    };
    let started = Mutex::new(Vec::new());
    let queued = Mutex::new(0);
    let plan = vec![
        waiting(of("a").with_limits(gpus(1)), 0),
        waiting(of("b").with_limits(gpus(1)), 1),
        both.clone(),
        then("big", 2),
        then("c", 1),
        then("d", 1),
        then("e", 1),
    ];
    let title = |dref: &pylightnix::config::DRefId| {
        plan.iter()
            .find(|work| work.id() == dref)
            .unwrap()
            .title
            .clone()
    };
    let observer = |event: &Event<'_>| match event {
        Event::Started { dref, .. } => {
            let mut started = started.lock().unwrap();
            started.push(title(dref));
            if ["a", "b"]
                .iter()
                .all(|one| started.iter().any(|it| it == one))
            {
                gates[2].open();
            }
        }
        Event::Queued { .. } => {
            let mut queued = queued.lock().unwrap();
            *queued += 1;
            // All others are queued: now one of two units is released, which would suffice for a small stage.
            if *queued == 4 {
                gates[0].open();
            }
        }
        Event::Published { rref, .. } if title(rref.dref()) == "a" => gates[1].open(),
        _ => {}
    };
    let run = Realize::new(&store).jobs(3).resource("gpu", 2);
    run.observer(observer).run(&plan).unwrap();
    let started = started.into_inner().unwrap();
    assert_eq!(started[3], "big", "{started:?}");
    assert_eq!(started.len(), 7);
}

#[test]
fn who_needs_something_else_does_not_wait() {
    let (_folder, store) = scratch();
    let gate = Arc::new(Gate::default());
    let pass = gate.clone();
    let first = doing(of("first").with_limits(gpus(1)), move |_| {
        pass.pass();
        Ok(())
    });
    let open = gate.clone();
    let mut plan = vec![first];
    // More stages than jobs and threads, and none of them can begin.
    for n in 0..10 {
        plan.push(of(&format!("gpu {n}")).with_limits(gpus(1)));
    }
    plan.push(doing(of("plain"), move |_| {
        open.open();
        Ok(())
    }));
    let run = Realize::new(&store).jobs(2).threads(2).resource("gpu", 1);
    run.run(&plan).unwrap();
}

#[test]
fn each_run_of_a_stage_counts() {
    let (_folder, store) = scratch();
    let in_use = Arc::new(InUse::default());
    let using = in_use.clone();
    let several = instantiate(Several::new()).unwrap();
    let several = several.with_realizer("counting", move |b| -> Result<SeveralOutputs> {
        using.more(&[("gpu", 1)]);
        using.wait_for_most("gpu", 2);
        using.less(&[("gpu", 1)]);
        let index = b.index.save(&b.index().to_string())?;
        Ok(SeveralOutputs { index })
    });
    let run = Realize::new(&store).jobs(4).resource("gpu", 2);
    assert_eq!(run.run(&several).unwrap().len(), 6);
    assert_eq!(in_use.most("gpu"), 2);
}

#[test]
fn runs_of_one_stage_let_others_in() {
    // While one thread makes one run after another, the big stage and small ones come and go.
    let several = instantiate(Several::new()).unwrap();
    let several = several.with_realizer("counting", move |b| -> Result<SeveralOutputs> {
        let index = b.index.save(&b.index().to_string())?;
        Ok(SeveralOutputs { index })
    });
    let others: Vec<_> = (1..=3)
        .map(|n| of(&n.to_string()).with_limits(gpus(n)))
        .collect();
    for jobs in 1..5 {
        let (_folder, store) = scratch();
        let run = Realize::new(&store).jobs(jobs).resource("gpu", 3);
        let (several, others) = run.run(&(several.clone(), others.clone())).unwrap();
        assert_eq!((several.len(), others.len()), (6, 3));
    }
}

#[test]
fn more_than_there_is_fails_before_anything_runs() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let before = of("before");
    let after = instantiate(Work::new(vec![before], "after".to_owned())).unwrap();
    let refused = |limits: Limits, says: &[&str]| {
        let plan = after.clone().with_limits(limits);
        let run = Realize::new(&store)
            .threads(2)
            .memory(parse_bytes("1.5GiB").unwrap())
            .resource("gpu", 1);
        let dry = run.plan(&plan).unwrap().to_string();
        let error = error_of(run.observer(&told).run(&plan));
        assert_eq!(error.kind(), ErrorKind::Resources);
        assert_says(&error, says);
        assert_says(
            &error,
            &[
                "stage `work",
                "` cannot run here",
                "the derivation is dref:",
            ],
        );
        assert!(dry.contains(says[0]), "{dry}");
    };
    refused(
        Limits::new().threads(5),
        &[
            "it needs 5 threads, and this run has 2",
            "`Realize::new(&store).threads(5)`",
        ],
    );
    refused(
        Limits::new().memory(2 << 30),
        &[
            "it needs 2 GiB of memory, and this run has 1.5 GiB",
            ".memory(parse_bytes(\"2GiB\")?)",
        ],
    );
    refused(
        gpus(2),
        &[
            "it needs 2 `gpu`, and this run has 1",
            ".resource(\"gpu\", 2)",
        ],
    );
    refused(
        gpus(1).resource("licence", 3).threads(3),
        &["it needs 3 threads, and this run has 2; and 3 `licence`, and this run has none"],
    );
    assert!(told.of("started").is_empty());

    let error = error_of(store.realize(&instantiate(Large::new()).unwrap()));
    assert_says(&error, &["2 `gpu`, and this run has none; and 1 `licence`"]);
    let run = Realize::new(&store)
        .threads(3)
        .resource("gpu", 2)
        .resource("licence", 1);
    run.memory(2 << 30)
        .run(&instantiate(Large::new()).unwrap())
        .unwrap();
}

#[test]
fn with_keep_going_the_others_run() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let plan = [of("large").with_limits(gpus(1)), of("other")];
    let run = Realize::new(&store).keep_going().observer(&told);
    assert_eq!(error_of(run.run(&plan)).kind(), ErrorKind::Resources);
    assert_eq!(told.of("published").len(), 1);
}

#[test]
fn what_is_there_needs_nothing() {
    let (_folder, store) = scratch();
    let before = of("before").with_limits(gpus(1));
    let after = instantiate(Work::new(vec![before.clone()], "after".to_owned())).unwrap();
    Realize::new(&store)
        .resource("gpu", 1)
        .run(&before)
        .unwrap();
    store.realize(&after).unwrap();
    let forced = error_of(Realize::new(&store).force(&before).run(&after));
    assert_eq!(forced.kind(), ErrorKind::Resources);
}

#[test]
fn two_needs_of_one_derivation_are_refused() {
    let (_folder, store) = scratch();
    let plan = [of("same"), of("same").with_limits(gpus(1))];
    assert_says(
        &error_of(store.realize(&plan)),
        &["is in this plan twice", "their limits differ"],
    );
}

#[test]
fn jobs_beyond_the_processors_are_meant() {
    let (_folder, store) = scratch();
    let in_use = Arc::new(InUse::default());
    let meet = |n: usize| {
        let in_use = in_use.clone();
        doing(of(&n.to_string()), move |_| {
            in_use.more(&[("threads", 1)]);
            in_use.wait_for_most("threads", 40);
            Ok(())
        })
    };
    let plan: Vec<_> = (0..40).map(meet).collect();
    Realize::new(&store).jobs(40).run(&plan).unwrap();
}

#[test]
fn the_machine_has_memory() {
    let (_folder, store): (_, Store) = scratch();
    store
        .realize(&of("little").with_limits(Limits::new().memory(1 << 20)))
        .unwrap();
    let much = of("much").with_limits(Limits::new().memory(1 << 50));
    assert_says(
        &error_of(store.realize(&much)),
        &["it needs 1 PiB of memory, and this run has "],
    );
}

/// Runs a shell script as a child process of the stage, and returns the text that it writes to `$text`.
fn script(b: &Build<Work>, script: &str) -> Result<String> {
    b.run(b.command("sh").args(["-c", script]))?;
    Ok(written(b)?.trim_end().to_owned())
}

fn written(b: &Build<Work>) -> Result<String> {
    Ok(std::fs::read_to_string(b.path().join("title.txt"))?)
}

#[test]
fn stages_side_by_side_have_units_of_their_own() {
    let (_folder, store) = scratch();
    let in_use = Arc::new(InUse::default());
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let plan: Vec<_> = (0..4)
        .map(|n| {
            let (in_use, seen) = (in_use.clone(), seen.clone());
            let work = of(&n.to_string()).with_limits(gpus(1));
            work.with_realizer("meeting", move |b| -> Result<WorkOutputs> {
                in_use.more(&[("gpu", 1)]);
                in_use.wait_for_most("gpu", 4);
                let units = b.units("gpu");
                assert_eq!(units.len(), 1);
                let own = script(b, "printf %s \"$CUDA_VISIBLE_DEVICES\" > \"$text\"")?;
                assert_eq!(own, units[0], "what its programs see");
                assert_eq!(b.units("licence"), Vec::<String>::new());
                assert!(seen.lock().unwrap().insert(own));
                Ok(WorkOutputs {
                    text: b.text.written()?,
                })
            })
        })
        .collect();
    let run = Realize::new(&store).jobs(4).threads(4);
    run.resource_units("gpu", ["GPU-a", "GPU-b", "7", "/dev/x"])
        .run(&plan)
        .unwrap();
    let seen: Vec<_> = seen.lock().unwrap().iter().cloned().collect();
    assert_eq!(seen, ["/dev/x", "7", "GPU-a", "GPU-b"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_unit_is_in_two_hands(
        // For each stage, its needs, and whether it fails.
        stages in proptest::collection::vec((0..4_u32, 0..3_u32, any::<bool>()), 1..25),
        named: bool,
    ) {
        let (_folder, store) = in_memory();
        let held = Arc::new(Mutex::new(BTreeSet::<(&str, String)>::new()));
        let plan: Vec<_> = stages.into_iter().enumerate().map(|(at, (gpu, licence, fails))| {
            let limits = Limits::new().resource("gpu", gpu).resource("licence", licence);
            let held = held.clone();
            doing(of(&at.to_string()).with_limits(limits), move |b| {
                let of = |name: &'static str| b.units(name).into_iter().map(move |unit| (name, unit));
                let own: Vec<_> = of("gpu").chain(of("licence")).collect();
                assert_eq!(own.len(), (gpu + licence) as usize);
                for unit in &own {
                    assert!(held.lock().unwrap().insert(unit.clone()), "{unit:?} is in use");
                }
                thread::yield_now();
                for unit in &own {
                    held.lock().unwrap().remove(unit);
                }
                if fails { Err("it fails".into()) } else { Ok(()) }
            })
        }).collect();
        let run = Realize::new(&store).jobs(4).threads(4).keep_going().resource("licence", 3);
        let run = match named {
            true => run.resource_units("gpu", ["a", "b", "c"]),
            false => run.resource("gpu", 3),
        };
        match run.run(&plan) {
            Ok(_) => {}
            Err(error) => prop_assert!(!format!("{error:?}").contains("panicked"), "{error:?}"),
        }
    }
}

#[test]
fn units_come_back_however_a_stage_ends() {
    let (_folder, store) = scratch();
    let only = |b: &Build<Work>| assert_eq!(b.units("gpu"), ["only"]);
    let tries = Arc::new(Mutex::new(0));
    let tried = tries.clone();
    let plan = [
        doing(of("fails").with_limits(gpus(1)), move |b| {
            only(b);
            Err("it fails".into())
        }),
        doing(of("panics").with_limits(gpus(1)), move |b| {
            only(b);
            panic!("it panics")
        }),
        doing(
            of("late").with_limits(gpus(1).timeout(Duration::from_millis(50))),
            move |b| {
                only(b);
                Ok(b.run(b.command("sleep").arg("60"))?)
            },
        ),
        doing(of("tries").with_limits(gpus(1).retries(2)), move |b| {
            only(b);
            let mut tried = tried.lock().unwrap();
            *tried += 1;
            if *tried < 3 {
                Err("once more".into())
            } else {
                Ok(())
            }
        }),
        doing(of("works").with_limits(gpus(1)), move |b| {
            only(b);
            Ok(())
        }),
    ];
    let run = || {
        Realize::new(&store)
            .keep_going()
            .resource_units("gpu", ["only"])
    };
    let error = format!(
        "{:?}",
        error_of(run().retry_wait(Duration::ZERO).run(&plan))
    );
    for says in ["it fails", "it panics", "its time limit of 50 ms is up"] {
        assert!(error.contains(says), "{error}");
    }
    assert!(!error.contains("left == right"), "{error}");
    assert_eq!(*tries.lock().unwrap(), 3);
    store.realize(&plan[4]).unwrap();

    let cancel = Cancel::new();
    let cancels = cancel.clone();
    let endless = doing(of("endless").with_limits(gpus(1)), move |b| {
        only(b);
        cancels.cancel();
        Ok(b.run(b.command("sleep").arg("60"))?)
    });
    assert_eq!(
        error_of(run().cancel(&cancel).run(&endless)).kind(),
        ErrorKind::Cancelled
    );
}

#[test]
fn units_without_names_are_numbers() {
    let (_folder, store) = scratch();
    let work = doing(of("two").with_limits(gpus(2)), |b| {
        assert_eq!(b.units("gpu"), ["0", "1"]);
        Ok(())
    });
    Realize::new(&store).resource("gpu", 3).run(&work).unwrap();
    // The last word counts.
    let renamed = doing(of("renamed").with_limits(gpus(2)), |b| {
        assert_eq!(b.units("gpu"), ["0", "1"]);
        Ok(())
    });
    let run = Realize::new(&store).resource_units("gpu", ["a", "b", "c"]);
    run.resource("gpu", 2).run(&renamed).unwrap();
    // By hand, the resources do not apply.
    let by_hand = of("by hand").with_limits(gpus(1));
    let run = Realize::new(&store).resource_units("gpu", ["a", "b"]);
    let mut stepping = run.step(by_hand.clone()).unwrap();
    assert_eq!(stepping.take(&by_hand).unwrap().units("gpu"), ["a"]);
}

#[test]
fn a_stage_may_tell_its_programs_something_else() {
    let (_folder, store) = scratch();
    let work = doing(of("own mind").with_limits(gpus(1)), |b| {
        let saw = "printf '[%s]' \"$CUDA_VISIBLE_DEVICES\" > \"$text\"";
        let mut set = b.command("sh");
        b.run(set.args(["-c", saw]).env("CUDA_VISIBLE_DEVICES", "9"))?;
        assert_eq!(written(b)?, "[9]");
        let mut removed = b.command("sh");
        b.run(removed.args(["-c", saw]).env_remove("CUDA_VISIBLE_DEVICES"))?;
        assert_eq!(written(b)?, "[]");
        // A command that the stage made itself is told, too.
        let mut own = std::process::Command::new("sh");
        b.run(
            own.args(["-c", saw])
                .env("text", b.path().join("title.txt")),
        )?;
        assert_eq!(written(b)?, "[b]");
        Ok(())
    });
    let run = Realize::new(&store).resource_units("gpu", ["b"]);
    run.run(&work).unwrap();
}

#[test]
fn units_that_name_nothing_are_refused() {
    let (_folder, store) = scratch();
    let told = Told::default();
    let refused = |units: &[&str], says: &str| {
        let run = Realize::new(&store).resource_units("gpu", units.iter().copied());
        let error = error_of(run.observer(&told).run(&of("plain")));
        assert_eq!(error.kind(), ErrorKind::Resources);
        assert_says(&error, &[says]);
    };
    refused(
        &["0", "1", "0"],
        "the resource `gpu` has the unit `0` twice",
    );
    refused(&["0", ""], "a unit of the resource `gpu` has an empty name");
    refused(&[" "], "has an empty name");
    refused(&["0,1"], "the resource `gpu` has a unit \"0,1\"");
    refused(&["0\n"], "has a unit \"0\\n\"");
    assert!(told.of("begun").is_empty());
    let run = Realize::new(&store).resource_units("gpu", ["0", "1"]);
    let error = error_of(run.run(&of("three").with_limits(gpus(3))));
    assert_says(&error, &["it needs 3 `gpu`, and this run has 2"]);
}
