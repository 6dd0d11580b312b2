//! Stepping through a plan, and building by hand.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::ErrorKind;
use pylightnix::lens::Many;
use pylightnix::prelude::*;
use pylightnix::realize::{Cancel, Event, Reason, Stale};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tests::runs::{Told, assert_says, names, scratch};
use tests::store::{Running, child, folder, part};

#[derive(Config)]
struct Data {
    #[selfref("in/data.json")]
    out: SelfRef<Json<Vec<i64>>>,
    size: i64,
}

#[stage]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let out = b.out.save(&(1..=b.size).collect())?;
    Ok(DataOutputs { out })
}

#[derive(Config)]
struct Sum {
    #[selfref("sums/sum.json")]
    out: SelfRef<Json<i64>>,
    #[selfref("note.txt")]
    note: SelfRef<Text>,
    #[dref]
    data: DRef<Data>,
}

#[stage]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let sum: i64 = b.data.out.load()?.iter().sum();
    if sum > 1000 {
        return Err("too much".into());
    }
    Ok(SumOutputs {
        out: b.out.save(&sum)?,
        note: b.note.save("by the stage")?,
    })
}

#[derive(Config)]
struct Page {
    #[selfref("page.txt")]
    out: SelfRef<Text>,
    #[dref]
    sum: DRef<Sum>,
}

#[stage]
fn page(b: &Build<Page>) -> Result<PageOutputs> {
    let out = b.out.save(&format!("sum {}", b.sum.out.load()?))?;
    Ok(PageOutputs { out })
}

fn plan(size: i64) -> DRef<Page> {
    let data = instantiate(Data::new(size)).unwrap();
    instantiate(Page::new(instantiate(Sum::new(data)).unwrap())).unwrap()
}

/// Returns the number of running builds in a store, and that of build locks.
fn under_way(store: &Store) -> (usize, usize) {
    let tmp = store.root().join("tmp");
    let drafts = names(&tmp)
        .into_iter()
        .map(|lease| names(&tmp.join(lease)).len());
    (drafts.sum(), names(&store.root().join("locks/b")).len())
}

#[test]
fn it_pauses_before_each_stage_and_says_why() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let told = Told::default();
    let mut stepping = Realize::new(&store).observer(&told).step(&plan).unwrap();
    for name in ["data", "sum", "page"] {
        for _ in 0..2 {
            let next = stepping.next_to_build().unwrap().unwrap();
            assert_eq!(next.dref.name().as_str(), name);
            assert_eq!((next.runs, next.first), (1, 0));
            assert_eq!(next.reason, Reason::Missing);
            assert_eq!(next.to_string(), format!("{}: missing", next.dref));
        }
        assert_eq!(told.of("started").len(), 0, "nothing ran of itself");
        let ran = stepping.run_next().unwrap().unwrap();
        assert_eq!(ran.dref.name().as_str(), name);
        assert_eq!(told.of("started").len(), 1);
        told.clear();
    }
    assert_eq!(stepping.next_to_build().unwrap(), None);
    assert_eq!(stepping.run_next().unwrap(), None);
    let page = stepping.run_all().unwrap();
    assert_eq!(page.out.load().unwrap(), "sum 6");
    assert_eq!(stepping.chosen(&plan).unwrap(), page);
    assert!(told.of("started").is_empty());
    // The state is that after a usual run.
    assert!(store.plan(&plan).unwrap().is_done());
    assert_eq!(store.step(&plan).unwrap().next_to_build().unwrap(), None);
}

#[test]
fn it_runs_up_to_a_stage_and_the_rest() {
    let (_folder, store) = scratch();
    let plan = plan(4);
    let mut stepping = store.step(plan.clone()).unwrap();
    assert!(stepping.chosen(&plan.sum.data).is_none());
    let sum = stepping.run_to(&plan.sum).unwrap().unwrap();
    assert_eq!(sum.dref, *plan.sum.id());
    let data = stepping.chosen(&plan.sum.data).unwrap();
    assert_eq!(data.out.load().unwrap(), [1, 2, 3, 4]);
    assert!(stepping.chosen(&(&plan.sum, &plan.sum.data)).is_none());
    assert_eq!(stepping.run_to(&plan.sum.data).unwrap(), None);
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), "sum 10");
}

#[test]
fn what_is_made_by_hand_goes_on_and_is_never_taken_for_the_work_of_the_stage() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(plan.clone()).unwrap();
    let mut b = stepping.take(&plan.sum).unwrap();
    assert_eq!((b.index(), b.dref()), (0, plan.sum.id()));
    writeln!(b.log(), "I did this").unwrap();
    fs::write(b.scratch().unwrap().join("x"), "x").unwrap();
    let data = b.data.out.load().unwrap();
    let outputs = SumOutputs {
        out: b.out.save(&(data.len() as i64 * 100)).unwrap(),
        note: b.note.save("by hand").unwrap(),
    };
    let made = b.finish(outputs).unwrap();
    assert_eq!(under_way(&store), (0, 0));
    let page = stepping.run_all().unwrap();
    assert_eq!(page.sum, made);
    assert_eq!(page.out.load().unwrap(), "sum 300");
    let log = made
        .path()
        .with_file_name(format!("build-{}.log", made.builds()[0].id));
    assert_eq!(fs::read_to_string(log).unwrap(), "I did this\n");

    // It has the choices of a build, and another fingerprint.
    let [record] = made.builds() else {
        panic!("{:?}", made.builds())
    };
    assert_eq!(record.choices.len(), 1);
    let by_hand = record.fingerprint.clone().unwrap();
    assert!(
        store
            .code(&by_hand)
            .unwrap()
            .unwrap()
            .contains("[by hand 0]")
    );

    // Every other run reports it, and runs the stage.
    let dry = store.plan(&plan).unwrap();
    assert_says_plan(&dry, "sum: stale: it was made by hand: accept it");
    let usual = store.realize(&plan).unwrap();
    assert_eq!(usual.out.load().unwrap(), "sum 6");
    assert_ne!(usual.sum.builds()[0].fingerprint.as_ref(), Some(&by_hand));
    // Also with `trust_unknown`.
    let run = Realize::new(&store).trust_unknown();
    assert_eq!(run.run(&plan).unwrap(), usual);
}

#[track_caller]
fn assert_says_plan(plan: &pylightnix::realize::DryPlan, what: &str) {
    assert!(plan.to_string().contains(what), "{plan}");
}

#[test]
fn what_is_made_by_hand_stands_when_it_is_accepted() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    let mut b = stepping.take(&plan.sum).unwrap();
    let outputs = SumOutputs {
        out: b.out.save(&7).unwrap(),
        note: b.note.save("").unwrap(),
    };
    let made = b.finish(outputs).unwrap();
    stepping.run_all().unwrap();
    let stale = Stale::ByHand;
    assert_says_plan(&store.plan(&plan).unwrap(), &stale.to_string());
    assert_eq!(store.accept(&plan.sum).unwrap(), [made.id().clone()]);
    let (page, report) = Realize::new(&store).run_reporting(&plan).unwrap();
    assert_eq!(page.out.load().unwrap(), "sum 7");
    assert_eq!(report.runs, 0);
}

#[test]
fn the_same_bytes_by_hand_keep_what_was_made_from_them() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    let mut b = stepping.take(&plan.sum).unwrap();
    // Even calling the stage's own function counts as by hand, because other changes cannot be excluded.
    let outputs = sum(&b).unwrap();
    b.finish(outputs).unwrap();
    stepping.run_all().unwrap();
    let told = Told::default();
    let page = Realize::new(&store).observer(&told).run(&plan).unwrap();
    assert_eq!(page.out.load().unwrap(), "sum 6");
    assert_eq!(told.of("started").len(), 1, "{:?}", told.lines());
    assert_eq!(page.sum.builds().len(), 2);
}

#[test]
fn a_build_without_its_promises_is_not_finished_and_not_lost() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    let mut b = stepping.take(&plan.sum).unwrap();
    let _ = b.out.save(&1).unwrap();
    let error = b.finish(()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert_says(
        &error,
        &[
            "this build of stage `sum` is not finished",
            "it did not keep its promise `note`: `out/note.txt` does not exist",
            "the build is still open",
            &b.path().display().to_string(),
        ],
    );
    assert!(store.rrefs_of(plan.sum.id()).unwrap().is_empty());
    // An output that cannot be published stays in the folder too.
    fs::write(b.note.path(), "not yet").unwrap();
    let _ = std::os::unix::net::UnixListener::bind(b.path().join("s")).unwrap();
    let error = b.finish(()).unwrap_err();
    assert_says(&error, &["out/s"]);
    fs::remove_file(b.path().join("s")).unwrap();
    fs::remove_file(b.note.path()).unwrap();
    fs::write(b.note.path(), "now").unwrap();
    let made = b.finish(()).unwrap();
    assert_eq!(made.note.load().unwrap(), "now");

    let error = b.finish(()).unwrap_err();
    assert_says(&error, &["this build of stage `sum` was finished before"]);
    b.discard();
    assert_eq!(store.rrefs_of(plan.sum.id()).unwrap(), [made.id().clone()]);
    assert_eq!(stepping.run_all().unwrap().sum, made);
}

#[test]
fn a_build_that_is_cancelled_or_dropped_leaves_nothing() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    for cancel in [true, false] {
        let b = stepping.take(&plan.sum).unwrap();
        let _ = b.out.save(&1).unwrap();
        assert_eq!(under_way(&store), (1, 1));
        match cancel {
            true => b.discard(),
            false => drop(b),
        }
        assert_eq!(under_way(&store), (0, 0));
        let next = stepping.next_to_build().unwrap().unwrap();
        assert_eq!(next.dref, *plan.sum.id());
    }
    // A stepping does not hold it either, and the build that was taken from it outlives it.
    let mut b = stepping.take(&plan.sum).unwrap();
    drop(stepping);
    let _ = (b.out.save(&1).unwrap(), b.note.save("").unwrap());
    b.finish(()).unwrap();
    assert_eq!(store.realize(&plan).unwrap().out.load().unwrap(), "sum 6");
}

#[test]
fn it_does_not_go_on_while_a_build_is_in_somebodys_hands() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    let b = stepping.take(&plan.sum).unwrap();
    let refusals = [
        stepping.next_to_build().map(drop),
        stepping.run_next().map(drop),
        stepping.run_to(&plan.sum.data).map(drop),
        stepping.take(&plan).map(drop),
        stepping.run_all().map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Plan);
        assert_says(&error, &["stage `sum` is being built by hand", "`cancel`"]);
    }
    b.discard();
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), "sum 6");
}

#[test]
fn what_this_thread_has_in_its_hands_it_does_not_wait_for() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let b = store.step(&plan).unwrap().take(&plan.sum).unwrap();
    let again = || Store::open(store.root()).unwrap();
    let refusals = [
        store.realize(&plan.sum).map(drop),
        // On threads that this one waits for, even to cancel them.
        Realize::new(&again()).jobs(2).run(&plan).map(drop),
        Realize::new(&store)
            .cancel(&Cancel::new())
            .run(&plan)
            .map(drop),
        again().step(&plan).unwrap().take(&plan.sum).map(drop),
        again().step(&plan).unwrap().run_next().map(drop),
        again().step(&plan).unwrap().run_all().map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Plan);
        let id = plan.sum.id().to_string();
        let says = [
            "this thread is already building stage `sum`",
            "`cancel`",
            &id,
        ];
        assert_says(&error, &says);
    }
    // An independent stage is built, and another thread waits for the lock.
    assert_eq!(store.realize(&plan.sum.data).unwrap().size, 3);
    let waits = Told::default();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let run = Realize::new(&store).observer(&waits);
            run.run(&plan).unwrap().out.load().unwrap()
        });
        while waits.of("waiting").is_empty() {
            thread::yield_now();
        }
        b.discard();
        assert_eq!(other.join().unwrap(), "sum 6");
    });
}

/// A stage that realizes itself.
#[derive(Config)]
struct Snake {
    #[config(default, unhashed)]
    store: PathBuf,
}

#[stage(many, nouts = 2)]
fn snake(b: &Build<Snake>) -> Result<()> {
    let store = Store::open(&b.store)?;
    let itself = snake_in(&b.store);
    Ok(Realize::new(&store).jobs(2).run(&itself).map(drop)?)
}

fn snake_in(store: &Path) -> DRef<Snake, Many> {
    let store = store.to_owned();
    instantiate(Snake { store }).unwrap()
}

#[test]
fn a_stage_does_not_wait_for_itself() {
    let (_folder, store) = scratch();
    let snake = snake_in(store.root());
    for jobs in [1, 4] {
        let run = Realize::new(&store).jobs(jobs);
        let error = run.run(&snake).unwrap_err();
        assert_says(
            &error,
            &["stage `snake` failed", "a stage cannot realize itself"],
        );
    }
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let (_folder, store) = scratch();
    let (plan, other) = (plan(3), plan(4));
    store.realize(&plan.sum.data).unwrap();
    let mut stepping = store.step(&plan).unwrap();
    let error = stepping.take(&other.sum).unwrap_err();
    assert_says(&error, &["is not in the plan", &other.sum.id().to_string()]);
    let error = stepping.run_to(&other.sum).unwrap_err();
    assert_says(&error, &["is not in the plan"]);
    let error = stepping.take(&plan.sum.data).unwrap_err();
    let data = stepping.chosen(&plan.sum.data).unwrap();
    assert_says(
        &error,
        &[
            "stage `data` need not be built",
            "force(&data)",
            &data.to_string(),
        ],
    );
    assert_eq!(under_way(&store), (0, 0));
}

#[test]
fn a_stage_that_is_forced_is_built_once() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    store.realize(&plan).unwrap();
    let mut stepping = Realize::new(&store).force(&plan.sum).step(&plan).unwrap();
    let next = stepping.next_to_build().unwrap().unwrap();
    assert_eq!((&next.dref, &next.reason), (plan.sum.id(), &Reason::Forced));
    let mut b = stepping.take(&plan.sum).unwrap();
    assert_eq!(b.index(), 1);
    let _ = (b.out.save(&8).unwrap(), b.note.save("").unwrap());
    let made = b.finish(()).unwrap();
    // The matcher is `latest`, and sees both.
    let next = stepping.next_to_build().unwrap().unwrap();
    assert_eq!(next.reason, Reason::ContextChanged);
    assert_eq!(stepping.chosen(&plan.sum).unwrap(), made);
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), "sum 8");

    let told = Told::default();
    let run = Realize::new(&store).force_all().observer(&told);
    let mut stepping = run.step(&plan).unwrap();
    while stepping.run_next().unwrap().is_some() {}
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), "sum 6");
    assert_eq!(told.of("started").len(), 3, "{:?}", told.lines());
}

#[test]
fn a_stage_that_fails_can_be_taken_into_hand() {
    let (_folder, store) = scratch();
    let plan = plan(100);
    let mut stepping = store.step(&plan).unwrap();
    stepping.run_to(&plan.sum).unwrap();
    let error = stepping.run_next().unwrap_err();
    assert_says(&error, &["stage `sum` failed", "too much"]);
    let error = stepping.run_all().unwrap_err();
    assert_says(&error, &["too much"]);
    let mut b = stepping.take(&plan.sum).unwrap();
    assert_eq!(sum(&b).err().unwrap().to_string(), "too much");
    let outputs = SumOutputs {
        out: b
            .out
            .save(&b.data.out.load().unwrap().iter().sum())
            .unwrap(),
        note: b.note.save("").unwrap(),
    };
    b.finish(outputs).unwrap();
    assert_eq!(stepping.run_all().unwrap().out.load().unwrap(), "sum 5050");
}

#[derive(Config)]
struct Draw {
    #[selfref("n.json")]
    out: SelfRef<Json<usize>>,
}

#[stage(many, matcher = lowest_n(3, |run: &RRef<Draw>| Ok(run.out.load()?)))]
fn draw(b: &Build<Draw>) -> Result<DrawOutputs> {
    Ok(DrawOutputs {
        out: b.out.save(&(10 + b.index()))?,
    })
}

#[test]
fn one_of_many_is_made_by_hand() {
    let (_folder, store) = scratch();
    let draws = instantiate(Draw::new()).unwrap();
    let mut stepping = store.step(&draws).unwrap();
    assert_eq!(stepping.next_to_build().unwrap().unwrap().runs, 3);
    let mut b = stepping.take(&draws).unwrap();
    let out = b.out.save(&77).unwrap();
    b.finish(DrawOutputs { out }).unwrap();
    let next = stepping.next_to_build().unwrap().unwrap();
    assert_eq!((next.runs, next.first), (2, 1));
    assert_eq!(next.reason, Reason::MoreWanted { there: 1 });
    let mut values: Vec<_> = (stepping.run_all().unwrap().iter())
        .map(|draw| draw.out.load().unwrap())
        .collect();
    values.sort_unstable();
    assert_eq!(values, [11, 12, 77]);
    // Without the result that was made by hand, one is missing.
    assert_says_plan(&store.plan(&draws).unwrap(), "(2)");
}

/// A nondeterministic stage.
#[derive(Config)]
struct Tick {
    #[selfref("n.json")]
    out: SelfRef<Json<usize>>,
}

static TICKS: AtomicUsize = AtomicUsize::new(0);

#[stage]
fn tick(b: &Build<Tick>) -> Result<TickOutputs> {
    let n = TICKS.fetch_add(1, Ordering::Relaxed);
    Ok(TickOutputs {
        out: b.out.save(&n)?,
    })
}

#[derive(Config)]
struct Tock {
    #[selfref("n.json")]
    out: SelfRef<Json<usize>>,
    #[dref]
    tick: DRef<Tick>,
}

#[stage]
fn tock(b: &Build<Tock>) -> Result<TockOutputs> {
    Ok(TockOutputs {
        out: b.out.save(&b.tick.out.load()?)?,
    })
}

#[test]
fn a_choice_stands_whatever_others_make_meanwhile() {
    let (_folder, store) = scratch();
    let plan = instantiate(Tock::new(instantiate(Tick::new()).unwrap())).unwrap();
    let mut stepping = store.step(&plan).unwrap();
    stepping.run_next().unwrap();
    let first = stepping.chosen(&plan.tick).unwrap();
    let newer = Realize::new(&store).force(&plan.tick).run(&plan).unwrap();
    assert_ne!(newer.tick, first);
    let next = stepping.next_to_build().unwrap().unwrap();
    assert_eq!(next.reason, Reason::ContextChanged);
    let b = stepping.take(&plan).unwrap();
    assert_eq!(b.tick, first);
    b.discard();
    assert_eq!(stepping.run_all().unwrap().tick, first);
}

#[test]
fn what_others_made_before_its_turn_is_taken() {
    let (_folder, store) = scratch();
    let plan = plan(3);
    let mut stepping = store.step(&plan).unwrap();
    let next = stepping.run_to(&plan.sum).unwrap().unwrap();
    assert_eq!(next.dref, *plan.sum.id());
    let made = store.realize(&plan.sum).unwrap();
    let error = stepping.take(&plan.sum).unwrap_err();
    assert_says(&error, &["stage `sum` need not be built"]);
    assert_eq!(stepping.chosen(&plan.sum).unwrap(), made);
    let next = stepping.run_next().unwrap().unwrap();
    assert_eq!(next.dref, *plan.id());
}

/// A stage that waits in its build until it is released.
#[derive(Config)]
struct Slow {
    #[selfref("slow.txt")]
    out: SelfRef<Text>,
    #[config(default, unhashed)]
    place: PathBuf,
}

#[stage]
fn slow(b: &Build<Slow>) -> Result<SlowOutputs> {
    fs::write(b.place.join("begun"), "")?;
    while !b.place.join("go").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(SlowOutputs {
        out: b.out.save("by the stage")?,
    })
}

fn slow_plan(place: &Path) -> DRef<Slow> {
    let place = place.to_owned();
    instantiate(Slow {
        place,
        ..Slow::new()
    })
    .unwrap()
}

#[test]
fn taking_waits_for_who_is_building() {
    let place = folder();
    let store = Store::open(place.path().join("store")).unwrap();
    let plan = slow_plan(place.path());
    let told = Told::default();
    thread::scope(|scope| {
        scope.spawn(|| store.realize(&plan).unwrap());
        while !place.path().join("begun").exists() {
            thread::sleep(Duration::from_millis(5));
        }
        let go = |event: &Event<'_>| {
            if matches!(event, Event::Waiting { .. }) {
                fs::write(place.path().join("go"), "").unwrap();
            }
        };
        let run = Realize::new(&store).observer(go).observer(&told);
        let mut stepping = run.step(&plan).unwrap();
        let error = stepping.take(&plan).unwrap_err();
        assert_says(&error, &["stage `slow` need not be built"]);
        assert_eq!(told.of("waiting").len(), 1);
        let made = stepping.run_all().unwrap();
        assert_eq!(made.out.load().unwrap(), "by the stage");
    });
}

#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = part() else {
        return;
    };
    let store = Store::open(place.join("store")).unwrap();
    let plan = slow_plan(&place);
    if part == "take" {
        let mut stepping = store.step(&plan).unwrap();
        let _b = stepping.take(&plan).unwrap();
        println!("\ntaken");
        thread::sleep(Duration::from_secs(60));
    }
    let waits = |event: &Event<'_>| {
        if matches!(event, Event::Waiting { .. }) {
            println!("\nwaiting");
        }
    };
    let made = Realize::new(&store).observer(waits).run(&plan).unwrap();
    println!("\nmade {}", made.out.load().unwrap());
}

#[test]
fn other_processes_wait_for_a_build_by_hand() {
    let place = folder();
    fs::write(place.path().join("go"), "").unwrap();
    let store = Store::open(place.path().join("store")).unwrap();
    let plan = slow_plan(place.path());
    let mut stepping = store.step(&plan).unwrap();
    let mut b = stepping.take(&plan).unwrap();
    let mut other = Running::start(child("realize", place.path()));
    other.wait_for("waiting");
    thread::sleep(Duration::from_millis(100));
    assert!(!place.path().join("begun").exists());
    let out = b.out.save("by hand").unwrap();
    b.finish(SlowOutputs { out }).unwrap();
    // It does not take a result made by hand for a result of the stage.
    assert_eq!(other.wait_for("made"), "by the stage");
    other.end();
    assert_eq!(
        stepping.run_all().unwrap().out.load().unwrap(),
        "by the stage",
        "`latest` takes the newer one, as this was not chosen yet"
    );
}

#[test]
fn who_is_killed_with_a_build_in_hand_keeps_nobody_waiting() {
    let place = folder();
    fs::write(place.path().join("go"), "").unwrap();
    let mut other = Running::start(child("take", place.path()));
    other.wait_for("taken");
    let store = Store::open(place.path().join("store")).unwrap();
    other.kill();
    let made = store.realize(&slow_plan(place.path())).unwrap();
    assert_eq!(made.out.load().unwrap(), "by the stage");
    // A program that it was about to start, such as git, has its lease for a moment longer.
    let until = Instant::now() + Duration::from_secs(60);
    while under_way(&store) != (0, 0) {
        assert!(Instant::now() < until, "{:?}", under_way(&store));
        thread::sleep(Duration::from_millis(20));
        store.gc().run().unwrap();
    }
}
