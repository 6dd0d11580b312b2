//! Build records ahead of the clock count as records without a time everywhere, and are reported.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::config::RRefId;
use pylightnix::plan::matcher::all;
use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
use snapbox::cmd::Command;
use std::sync::Mutex;
use std::time::Duration;
use tests::runs::scratch;
use tests::store::unused;

/// A nondeterministic stage.
#[derive(Config)]
struct Draw {
    #[selfref("n.txt")]
    out: SelfRef<Text>,
    rate: u32,
}

#[stage]
fn draw(b: &Build<Draw>) -> Result<DrawOutputs> {
    Ok(DrawOutputs {
        out: b.out.save("drawn")?,
    })
}

/// The end of a build.
#[derive(Clone, Copy)]
enum When {
    Hours(u64),
    Ahead,
}

fn record(kind: BuildKind, when: When) -> BuildRecord {
    let mut record = BuildRecord::now(kind);
    match when {
        When::Hours(ago) => record.stop -= Duration::from_secs(ago * 3600),
        When::Ahead => {
            record.stop = "2131-01-01T00:00:00Z".parse().unwrap();
            record.id = "049eef44-b000-7000-8000-000000000000".parse().unwrap();
        }
    }
    record.start = record.stop;
    record
}

fn put(store: &Store, of: &DRef<Draw>, text: &str, outcome: Outcome, when: When) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    std::fs::write(draft.out().join("n.txt"), text).unwrap();
    let build = record(BuildKind::Build, when);
    let published = draft.publish(of.config_json(), &Context::empty(), outcome, &build);
    published.unwrap().id
}

/// Creates two results of a stage: one from an hour ago, and one from the future.
fn two(store: &Store) -> (DRef<Draw>, RRefId, RRefId) {
    let plan = instantiate(Draw::new(1)).unwrap();
    let old = put(store, &plan, "old", Outcome::Ok, When::Hours(1));
    let ahead = put(store, &plan, "ahead", Outcome::Ok, When::Ahead);
    (plan, old, ahead)
}

#[test]
fn nobody_takes_it_for_the_newest() {
    let (_folder, store) = scratch();
    let (plan, old, ahead) = two(&store);
    let run = || Realize::new(&store).trust_unknown();
    let taken = run().run(&plan).unwrap();
    assert_eq!(*taken.id(), old);
    assert!(taken.built_at().is_some());
    let all = run().run(&plan.clone().with_matcher(all())).unwrap();
    let wrong = all.iter().find(|one| *one.id() == ahead).unwrap();
    assert_eq!(wrong.built_at(), None);
    let realization = store.realization(&ahead).unwrap();
    assert_eq!(realization.builds()[0].ended(), None);
    // A realization without a plausible time is neither newer nor older than any age.
    for found in store.find().run().unwrap() {
        let found = found.unwrap();
        assert_eq!(found.newest().unwrap().is_none(), *found.id() == ahead);
    }
    let week = Duration::from_secs(7 * 24 * 3600);
    let young = store.find().newer_than(week).run().unwrap();
    assert_eq!(
        young
            .map(|found| found.unwrap().id().clone())
            .collect::<Vec<_>>(),
        std::slice::from_ref(&old)
    );
    let table = store.compare([&old, &ahead]).unwrap();
    let built = table
        .columns
        .iter()
        .position(|column| column.name == "built")
        .unwrap();
    let has_time = |rref| {
        let row = table.rows.iter().find(|row| row.rref == rref).unwrap();
        row.cells[built].is_some()
    };
    assert!(has_time(old) && !has_time(ahead));
}

#[test]
fn a_failure_from_the_future_is_not_the_newest() {
    let (_folder, store) = scratch();
    let plan = instantiate(Draw::new(1)).unwrap();
    let old = put(&store, &plan, "old", Outcome::Failed, When::Hours(1));
    put(&store, &plan, "ahead", Outcome::Failed, When::Ahead);
    let plan = plan.or_failure();
    let taken = Realize::new(&store).trust_unknown().run(&plan).unwrap();
    assert_eq!(*taken.unwrap_err().id(), old);
}

#[test]
fn collecting_ranks_it_last_and_never_takes_it_for_old() {
    let (_folder, store) = scratch();
    let (_, old, ahead) = two(&store);
    let (_folder, store) = unused(&store);
    let gone = |gc: pylightnix::store::Gc<'_>| -> Vec<RRefId> {
        let gone = gc.plan().unwrap().realizations.into_iter();
        gone.map(|gone| gone.rref).collect()
    };
    assert_eq!(gone(store.gc()), [old.clone(), ahead.clone()]);
    assert_eq!(gone(store.gc().keep_newest(1)), [ahead]);
    assert_eq!(
        gone(store.gc().keep_newer_than(Duration::from_secs(60))),
        [old]
    );
}

/// Returns the events of a run about clocks.
fn told(store: &Store, target: &impl pylightnix::plan::Target) -> Vec<RRefId> {
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::AheadOfClock { rref, ended, .. } = event {
            assert_eq!(ended.to_string(), "2131-01-01T00:00:00Z");
            told.lock().unwrap().push((*rref).clone());
        }
    };
    let run = Realize::new(store).trust_unknown().observer(observer);
    run.run_reporting(target).unwrap();
    drop(run);
    told.into_inner().unwrap()
}

#[test]
fn a_run_says_it_once() {
    let (_folder, store) = scratch();
    let (plan, _, ahead) = two(&store);
    let others: Vec<_> = (2..5)
        .map(|rate| instantiate(Draw::new(rate)).unwrap())
        .collect();
    assert_eq!(told(&store, &others), []);
    assert_eq!(told(&store, &plan), [ahead]);
    // Also for a single realization, and once for all of them.
    let alone = instantiate(Draw::new(9)).unwrap();
    let sole = put(&store, &alone, "alone", Outcome::Ok, When::Ahead);
    assert_eq!(told(&store, &alone), [sole]);
    assert_eq!(told(&store, &(others, plan, alone)).len(), 1);
}

#[test]
fn why_and_check_say_it_and_what_to_do() {
    let (_folder, store) = scratch();
    let (plan, old, ahead) = two(&store);
    let why = store.why(&ahead).unwrap().to_string();
    assert!(why.contains("ahead of this machine's clock"), "{why}");
    assert!(why.contains("remove that realization (`rm`)"), "{why}");
    assert!(!store.why(&old).unwrap().to_string().contains("ahead of"));
    let why = Realize::new(&store)
        .trust_unknown()
        .why(&plan, &plan)
        .unwrap();
    let candidates = why.choice.unwrap().candidates;
    assert_eq!(
        (&candidates[0].rref, candidates[0].why.as_ref()),
        (&old, None)
    );
    assert!(
        candidates[1]
            .to_string()
            .contains("counts as one without a time"),
        "{:?}",
        candidates[1]
    );
    let report = store.check().run().unwrap();
    assert!(report.is_sound(), "{report}");
    let [note] = &report.notes[..] else {
        panic!("{report}")
    };
    assert!(note.is_ahead && note.rref == ahead, "{report}");
    let said = report.to_string();
    assert!(
        said.contains("ends at 2131-01-01T00:00:00Z, ahead of this machine's clock\n"),
        "{said}"
    );
    assert!(said.contains("`rm`"), "{said}");
}

#[test]
fn the_newest_log_is_one_that_has_a_time() {
    let (_folder, store) = scratch();
    let plan = instantiate(Draw::new(1)).unwrap();
    for (text, when) in [("old", When::Hours(1)), ("ahead", When::Ahead)] {
        let mut draft = store.plumbing().draft().unwrap();
        std::fs::write(draft.out().join("n.txt"), text).unwrap();
        std::fs::write(draft.log(), format!("{text} was printed\n")).unwrap();
        let build = record(BuildKind::Build, when);
        let done = draft.publish(plan.config_json(), &Context::empty(), Outcome::Ok, &build);
        done.unwrap();
    }
    let shown = |words: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_store-cli"));
        let mut command = command.env("PYLIGHTNIX_ROOT", store.root());
        for word in words {
            command = command.arg(word);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(shown(&["log", "draw"]), "old was printed\n");
    let all = shown(&["show", "draw@2"]);
    assert!(all.contains("(ahead of this machine's clock)"), "{all}");
}

/// The earlier version is one with a time.
#[test]
fn versions_are_compared_with_those_that_have_a_time() {
    let (_folder, store) = scratch();
    let plan = |rate| instantiate(Draw::new(rate)).unwrap();
    put(&store, &plan(1), "ahead", Outcome::Ok, When::Ahead);
    let near = put(&store, &plan(2), "old", Outcome::Ok, When::Hours(2));
    let why = Realize::new(&store).why(&plan(3), plan(3)).unwrap();
    assert_eq!(why.changes[0].old.rref.as_ref(), Some(&near));
}
