//! Acceptance through the library: which results, and a check before.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

#[path = "../src/bin/edited/versions/mod.rs"]
mod versions;

use pylightnix::prelude::*;
use pylightnix::realize::{Action, Reason, Stale};
use pylightnix::store::BuildKind;
use tests::runs::{done, scratch, traces};
use versions::{both, earlier, first, other, same};

#[test]
fn what_one_edit_made_stale_is_accepted_and_nothing_else() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan().unwrap()).unwrap();
    let plan = same::plan().unwrap();
    let accept = |item: &str| Realize::new(&store).accept().changed(item);

    let left = accept("show").run(&plan).unwrap();
    assert!(
        left.accepted.is_empty() && left.waiting.is_empty(),
        "{left}"
    );
    assert_eq!(left.other_changes, ["fn `normalise`"]);

    // A plan tells the same, and writes nothing.
    let before = traces(store.root());
    let would = accept("normalise").plan(&plan).unwrap();
    assert_eq!(traces(store.root()), before);
    let done = accept("fn normalise").run(&plan).unwrap();
    assert_eq!(would.accepted, done.accepted);
    assert_eq!(done.accepted.len(), 1, "{done}");
    assert_eq!(done.accepted[0].rref, *old.scaled.id());
    assert!(store.plan(&plan).unwrap().is_done());

    // The record says which code counts as which.
    let new = store.realize(&plan).unwrap();
    let [built, accepted] = new.scaled.builds() else {
        panic!("{:?}", new.scaled.builds())
    };
    assert_eq!(
        (built.kind, accepted.kind),
        (BuildKind::Build, BuildKind::Accept)
    );
    assert_eq!(built.accepted, None);
    assert_eq!(accepted.accepted, built.fingerprint);
    assert_eq!(accepted.accepted, done.accepted[0].from);
    assert_eq!(accepted.fingerprint.as_ref(), Some(&done.accepted[0].to));
    assert_ne!(accepted.accepted, accepted.fingerprint);
}

#[test]
fn one_edit_of_several_items_is_accepted_by_all_their_names() {
    let (_folder, store) = scratch();
    store.realize(&first::plan().unwrap()).unwrap();
    let plan = both::plan().unwrap();
    let accept = || Realize::new(&store).accept();
    // What is above a stage that is left waits for it, if it has something to accept.
    let left = accept().changed("show").run(&plan).unwrap();
    assert!(left.accepted.is_empty(), "{left}");
    assert_eq!(left.waiting.len(), 1, "{left}");
    assert_eq!(left.waiting[0].dep, *plan.scaled.id());
    let one = accept().changed("normalise").plan(&plan).unwrap();
    assert_eq!(one.accepted.len(), 1, "{one}");
    assert_eq!(one.other_changes, ["fn `show`"]);
    // A plan goes on above what it would accept.
    let would = accept().plan(&plan).unwrap();
    assert_eq!(would.accepted.len(), 2, "{would}");
    assert!(!store.plan(&plan).unwrap().is_done());
    let all = accept()
        .changed("show")
        .changed("normalise")
        .run(&plan)
        .unwrap();
    assert_eq!(all.accepted.len(), 2, "{all}");
    assert!(store.plan(&plan).unwrap().is_done());
}

#[test]
fn results_of_earlier_versions_are_those_that_the_plan_tells() {
    let (_folder, store) = scratch();
    store.realize(&earlier::plan().unwrap()).unwrap();
    let plan = first::plan().unwrap();
    let run = Realize::new(&store);
    let told = run.code_notes(&plan).unwrap().earlier.unwrap();
    let done = Realize::new(&store).accept().earlier().run(&plan).unwrap();
    assert_eq!((told.stages, done.accepted.len()), (2, 2), "{done}");
    assert!(store.plan(&plan).unwrap().is_done());
    // Of other code they are stale, and not of an earlier version.
    let done = Realize::new(&store)
        .accept()
        .earlier()
        .run(&other::plan().unwrap());
    assert!(done.unwrap().accepted.is_empty());
}

#[test]
fn a_stage_that_gives_other_bytes_is_not_accepted() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan().unwrap()).unwrap();
    let plan = other::plan().unwrap();
    let done = Realize::new(&store).accept().check().run(&plan).unwrap();
    assert!(done.accepted.is_empty(), "{done}");
    assert_eq!(done.refused.len(), 1, "{done}");
    let refused = &done.refused[0];
    assert_eq!(refused.rrefs, [old.scaled.id().clone()]);
    assert_eq!(refused.files.len(), 1);
    assert_eq!(refused.files[0].first.as_ref().unwrap().line, Some(2));
    let kept = refused.kept.as_ref().unwrap().join("out/scaled.txt");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "first\n15\n");
    let dry = store.plan(&plan).unwrap();
    let stale = dry.steps.iter().any(|step| {
        matches!(
            &step.action,
            Action::Build {
                reason: Reason::Stale(Stale::Code { .. }),
                ..
            }
        )
    });
    assert!(stale, "{dry}");

    // One that gives the same bytes is accepted, without being published again.
    let plan = both::plan().unwrap();
    let done = Realize::new(&store).accept().check().run(&plan).unwrap();
    assert_eq!((done.accepted.len(), done.refused.len()), (2, 0), "{done}");
    assert!(store.plan(&plan).unwrap().is_done());
    assert_eq!(store.realize(&plan).unwrap().id(), old.id());
    let kinds = store.realize(&plan).unwrap();
    let kinds: Vec<_> = kinds.builds().iter().map(|build| build.kind).collect();
    assert_eq!(kinds, [BuildKind::Build, BuildKind::Accept]);
}

#[test]
fn a_check_accepts_the_results_of_the_code_that_gives_the_same() {
    let (_folder, store) = scratch();
    let right = store.realize(&first::plan().unwrap().scaled).unwrap();
    let wrong = store.realize(&other::plan().unwrap().scaled).unwrap();
    let plan = same::plan().unwrap();
    let done = Realize::new(&store)
        .accept()
        .check()
        .run(&plan.scaled)
        .unwrap();
    assert_eq!(done.accepted.len(), 1, "{done}");
    assert_eq!(done.accepted[0].rref, *right.id());
    assert_eq!(done.refused[0].rrefs, [wrong.id().clone()]);
}

/// A stage of several runs.
#[derive(Config)]
struct Draws {
    #[selfref("draw.txt")]
    out: SelfRef<Text>,
}

#[stage(many, nouts = 3, matcher = all())]
fn draws(b: &Build<Draws>) -> Result<DrawsOutputs> {
    let draw = b.index().to_string();
    Ok(DrawsOutputs {
        out: b.out.save(&draw)?,
    })
}

#[test]
fn one_run_of_several_is_made_again() {
    let (_folder, store) = scratch();
    let runs = |label: &str, add: u64| {
        let draws = instantiate(Draws::new()).unwrap();
        draws.with_realizer(label, move |b| -> Result<()> {
            done(b.out.save(&(b.index() as u64 + add).to_string())?)
        })
    };
    store.realize(&runs("one", 1)).unwrap();
    let check = |label: &str, add: u64| {
        let accept = Realize::new(&store).accept().check();
        accept.run(&runs(label, add)).unwrap()
    };
    let refused = check("two", 4);
    assert!(refused.accepted.is_empty(), "{refused}");
    let accepted = check("three", 1);
    assert!(!accepted.accepted.is_empty(), "{accepted}");
}

#[test]
fn a_stage_that_fails_is_not_accepted() {
    let (_folder, store) = scratch();
    store.realize(&first::plan().unwrap().scaled).unwrap();
    let failing = first::plan().unwrap().scaled.clone();
    let failing = failing.with_realizer("fails", |_| -> Result<()> { Err("no".into()) });
    let done = Realize::new(&store).accept().check().run(&failing).unwrap();
    assert!(done.accepted.is_empty(), "{done}");
    let error = done.refused[0].error.as_ref().unwrap().to_string();
    assert!(error.contains("no"), "{error}");
}

#[test]
fn chosen_stages_wait_for_their_dependencies() {
    let (_folder, store) = scratch();
    store.realize(&first::plan().unwrap()).unwrap();
    let plan = both::plan().unwrap();
    let done = Realize::new(&store)
        .accept()
        .stage(&plan)
        .run(&plan)
        .unwrap();
    assert!(done.accepted.is_empty(), "{done}");
    assert_eq!(done.waiting[0].dref, *plan.id());
    assert_eq!(done.waiting[0].dep, *plan.scaled.id());
    let done = Realize::new(&store).accept().stage(&plan.scaled).run(&plan);
    assert_eq!(done.unwrap().accepted.len(), 1);
    let done = Realize::new(&store)
        .accept()
        .stage(&plan)
        .run(&plan)
        .unwrap();
    assert_eq!(done.accepted.len(), 1, "{done}");
}
