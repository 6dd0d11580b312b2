//! What a run reuses and what it would build: changed code, defaults, contexts, acceptance, early cut-off.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::config::{DRefId, RRefId};
use pylightnix::prelude::*;
use pylightnix::realize::{Action, Counts, DryPlan, Reason, Stale};
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
use std::fs;
use std::time::Duration;
use tests::runs::{Told, assert_says, done, scratch, traces};

/// Defines a stage in several versions of a program: the same name and config, with different code.
///
/// Generic stages are registered only for the types that they list, so that several with one name fit into this program.
macro_rules! version {
    ($version:ident, [$($option:tt)*], $body:expr, $($field:tt)*) => {
        mod $version {
            use pylightnix::prelude::*;
            use std::marker::PhantomData;

            /// A stage whose code changes.
            #[derive(Config)]
            pub(crate) struct Sum<T: Send + Sync + 'static> {
                #[selfref("sum.txt")]
                pub(crate) out: SelfRef<Text>,
                pub(crate) a: i64,
                $($field)*
                #[config(default, unhashed)]
                pub(crate) of: PhantomData<T>,
            }

            #[stage($($option)*)]
            fn sum<T: Send + Sync + 'static>(b: &Build<Sum<T>>) -> Result<SumOutputs> {
                let f: fn(&Build<Sum<T>>) -> i64 = $body;
                Ok(SumOutputs { out: b.out.save(&f(b).to_string())? })
            }

            /// Returns the derivation.
            pub(crate) fn of(a: i64) -> DRef<Sum<()>> {
                instantiate(Sum::new(a)).expect("a derivation")
            }

            /// A consumer that is equal in all versions.
            #[derive(Config)]
            pub(crate) struct User<T: Send + Sync + 'static> {
                #[selfref("used.txt")]
                pub(crate) out: SelfRef<Text>,
                #[dref]
                pub(crate) sum: DRef<Sum<T>>,
            }

            #[stage(version = 1)]
            fn user<T: Send + Sync + 'static>(b: &Build<User<T>>) -> Result<UserOutputs> {
                Ok(UserOutputs { out: b.out.save(&b.sum.out.load()?)? })
            }

            /// Returns the plan of both stages.
            pub(crate) fn plan(a: i64) -> DRef<User<()>> {
                instantiate(User::new(of(a))).expect("a derivation")
            }
        }
    };
}

version!(first, [], |b| b.a * 2,);
version!(cosmetic, [], |b| b.a /* twice */ * 2,);
version!(same_result, [], |b| b.a + b.a,);
version!(other_result, [], |b| b.a * 3,);
version!(with_field, [], |b| b.a * b.by, #[config(default = 2, omit_default)] pub(crate) by: i64,);
version!(with_other_default, [], |b| b.a * b.by, #[config(default = 3, omit_default)] pub(crate) by: i64,);

version!(pinned, [version = 1], |b| b.a * 2,);
version!(pinned_with_field, [version = 1], |b| b.a * b.by, #[config(default = 2, omit_default)] pub(crate) by: i64,);
version!(pinned_with_other_default, [version = 1], |b| b.a * b.by, #[config(default = 3, omit_default)] pub(crate) by: i64,);
version!(pinned_anew, [version = 2], |b| b.a * 2,);

#[track_caller]
fn action<'a>(plan: &'a DryPlan, dref: &DRefId) -> &'a Action {
    &plan.step(dref).unwrap().action
}

#[track_caller]
fn reason(plan: &DryPlan, dref: &DRefId) -> String {
    match action(plan, dref) {
        Action::Build { reason, .. } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Realizes a target, and returns the stages that were built, with the reasons.
#[track_caller]
fn building<T: pylightnix::plan::Target>(store: &Store, target: &T) -> (T::Output, Vec<String>) {
    let told = Told::default();
    let run = Realize::new(store).jobs(1).observer(&told);
    let output = run.run(target).unwrap();
    (output, told.of("building"))
}

#[test]
fn the_versions_are_versions_of_one_derivation() {
    let id = first::of(2).id().clone();
    assert_eq!(*cosmetic::of(2).id(), id);
    assert_eq!(*same_result::of(2).id(), id);
    assert_eq!(*with_field::of(2).id(), id);
    assert_eq!(*with_other_default::of(2).id(), id);
}

#[test]
fn a_cosmetic_edit_builds_nothing() {
    let (_folder, store) = scratch();
    store.realize(&first::plan(2)).unwrap();
    let (_, built) = building(&store, &cosmetic::plan(2));
    assert!(built.is_empty(), "{built:?}");
}

#[test]
fn changed_code_never_gives_an_old_result() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan(2)).unwrap();
    let plan = other_result::plan(2);
    // The dry run says what changed, and which stages wait for it.
    let dry = store.plan(&plan).unwrap();
    let Action::Build {
        runs: 1,
        reason: Reason::Stale(Stale::Code { was, is, added }),
    } = action(&dry, plan.sum.id())
    else {
        panic!("{dry}")
    };
    assert!(was != is && added.is_empty());
    // Both texts are saved, once the new code has run.
    assert!(store.code(was).unwrap().unwrap().contains("b.a * 2"));
    let Action::Undecided { waits_for, .. } = action(&dry, plan.id()) else {
        panic!("{dry}")
    };
    assert_eq!(*waits_for, [plan.sum.id().clone()]);
    assert!(!dry.is_done());
    let text = dry.to_string();
    assert!(
        text.contains(&format!(
            "build   {}: stale: its code changed\n",
            plan.sum.id()
        )),
        "{text}"
    );
    let later = format!(
        "later   {plan}: will be decided when `sum` is known; carried if `sum` comes out as before\n"
    );
    assert!(text.contains(&later), "{text}");
    assert!(text.ends_with("2 of 2 stages to do, 0 reused"), "{text}");

    let (new, built) = building(&store, &plan);
    assert_eq!(new.out.load().unwrap(), "6");
    assert_eq!(
        built,
        [
            "building sum x1: stale: its code changed",
            "building user x1: context changed: it takes another result of a dependency",
        ]
    );
    assert!(store.code(is).unwrap().unwrap().contains("b.a * 3"));
    assert!(store.plan(&plan).unwrap().is_done());
    // The old code finds its own result.
    let (again, built) = building(&store, &first::plan(2));
    assert!(built.is_empty());
    assert_eq!(again.id(), old.id());
}

#[test]
fn the_same_bytes_cut_the_run_off() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan(2)).unwrap();
    let (new, built) = building(&store, &same_result::plan(2));
    assert_eq!(built, ["building sum x1: stale: its code changed"]);
    assert_eq!(new.id(), old.id());
    assert_eq!(new.sum.builds().len(), 2, "one for each code");
    // From now on the realization has records of both codes.
    let (_, built) = building(&store, &first::plan(2));
    assert!(built.is_empty());
    assert!(store.plan(&same_result::plan(2)).unwrap().is_done());
}

#[test]
fn another_default_makes_it_stale() {
    let (_folder, store) = scratch();
    store.realize(&with_field::plan(2)).unwrap();
    let plan = with_other_default::plan(2);
    let dry = store.plan(&plan).unwrap();
    let stale = Stale::Default {
        field: "by".to_owned(),
        was: 2.into(),
        is: 3.into(),
    };
    let Action::Build { reason, .. } = action(&dry, plan.sum.id()) else {
        panic!("{dry}")
    };
    assert_eq!(*reason, Reason::Stale(stale));
    assert_eq!(
        reason.to_string(),
        "stale: the default of `by` changed from 2 to 3"
    );
    let (new, _) = building(&store, &plan);
    assert_eq!(new.out.load().unwrap(), "6");
    // If the old default is given explicitly, the JSON contains the field: another derivation.
    let given = with_other_default::Sum {
        by: 2,
        ..with_other_default::Sum::new(2)
    };
    assert_ne!(
        instantiate::<with_other_default::Sum<()>, One>(given)
            .unwrap()
            .id(),
        plan.sum.id()
    );
}

#[test]
fn a_field_that_came_suggests_to_accept() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan(2)).unwrap();
    let plan = with_field::plan(2);
    let dry = store.plan(&plan).unwrap();
    assert_eq!(
        reason(&dry, plan.sum.id()),
        "stale: its code changed, and `by` came with a default: if the old result stands, accept it, or pin the code \
         with `#[stage(version = n)]` before adding fields"
    );
    assert_eq!(store.accept(&plan.sum).unwrap(), [old.sum.id().clone()]);
    assert!(store.plan(&plan).unwrap().is_done());
    let (new, built) = building(&store, &plan);
    assert!(built.is_empty());
    assert_eq!((new.sum.by, new.id()), (2, old.id()));
    // The acceptance records today's defaults.
    let kinds: Vec<_> = new.sum.builds().iter().map(|build| build.kind).collect();
    assert_eq!(kinds, [BuildKind::Build, BuildKind::Accept]);
    assert_eq!(new.sum.builds()[1].omitted["by"], 2);
    let changed = with_other_default::plan(2);
    assert_eq!(
        reason(&store.plan(&changed).unwrap(), changed.sum.id()),
        "stale: the default of `by` changed from 2 to 3"
    );
}

#[test]
fn pinned_code_is_its_version() {
    let (_folder, store) = scratch();
    let old = store.realize(&pinned::plan(2)).unwrap();
    // A field that a record does not name counts as unchanged.
    let (new, built) = building(&store, &pinned_with_field::plan(2));
    assert!(built.is_empty(), "{built:?}");
    assert_eq!(new.id(), old.id());
    // Whatever its default is when it is added.
    assert!(
        store
            .plan(&pinned_with_other_default::plan(2))
            .unwrap()
            .is_done()
    );
    // Once a record names the field, it counts.
    let run = Realize::new(&store).force(pinned_with_field::of(2).id());
    run.run(&pinned_with_field::plan(2)).unwrap();
    store.realize(&pinned_with_field::plan(5)).unwrap();
    let plan = pinned_with_other_default::plan(5);
    let dry = store.plan(&plan).unwrap();
    assert_eq!(
        reason(&dry, plan.sum.id()),
        "stale: the default of `by` changed from 2 to 3"
    );
    let plan = pinned_anew::plan(2);
    let dry = store.plan(&plan).unwrap();
    assert_eq!(reason(&dry, plan.sum.id()), "stale: its code changed");
    assert!(store.accept(&plan.sum).unwrap().len() == 1);
    assert!(store.plan(&plan).unwrap().is_done());
}

#[test]
fn accepting_is_one_record_and_no_run() {
    let (_folder, store) = scratch();
    let old = store.realize(&first::plan(2)).unwrap();
    let plan = other_result::plan(2);
    // The consumer has nothing to accept, and depends on a stale result.
    let error = store.accept(&plan).unwrap_err();
    assert_says(
        &error,
        &[
            "stage `user` cannot be accepted: `sum`, which it depends on,",
            &format!("the derivations are {plan} and {}", plan.sum),
            "has to be built first",
            "help: accept or realize",
        ],
    );
    let before = traces(&store.root().join("store-v1"));
    assert_eq!(store.accept(&plan.sum).unwrap(), [old.sum.id().clone()]);
    let after = traces(&store.root().join("store-v1"));
    let new: Vec<_> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert!(new.len() == 1 && new[0].contains("/build-"), "{new:?}");
    assert!(
        store.accept(&plan.sum).unwrap().is_empty(),
        "once is enough"
    );
    assert!(store.accept(&plan).unwrap().is_empty());
    let (accepted, built) = building(&store, &plan);
    assert!(built.is_empty());
    assert_eq!(accepted.id(), old.id());
    assert_eq!(accepted.out.load().unwrap(), "4", "the old result stands");
    let (_, built) = building(&store, &first::plan(2));
    assert!(built.is_empty(), "for the old code as well");
    // An acceptance does not count as a build.
    assert_eq!(accepted.sum.built_at(), old.sum.built_at());
}

#[test]
fn accepting_all_of_a_plan() {
    let (_folder, store) = scratch();
    let labelled = |label: &str| {
        let sum = first::of(2).with_realizer(label, |b| -> Result<()> { done(b.out.save("7")?) });
        let user = instantiate(first::User::new(sum)).unwrap();
        user.with_realizer(label, |b| -> Result<()> {
            done(b.out.save(&b.sum.out.load()?)?)
        })
    };
    let old = store.realize(&labelled("a")).unwrap();
    let dry = store.plan(&labelled("b")).unwrap();
    assert_eq!(reason(&dry, old.sum.id().dref()), "stale: its code changed");
    let mut accepted = store.accept_all(&labelled("b")).unwrap();
    accepted.sort();
    let mut both = vec![old.id().clone(), old.sum.id().clone()];
    both.sort();
    assert_eq!(accepted, both);
    let (_, built) = building(&store, &labelled("b"));
    assert!(built.is_empty());
}

#[test]
fn labels_are_the_code_of_given_realizers() {
    let (_folder, store) = scratch();
    let with = |label: &str, text: &'static str| {
        first::of(2).with_realizer(label, move |b| -> Result<()> { done(b.out.save(text)?) })
    };
    let text = |rref: RRef<first::Sum<()>>| rref.out.load().unwrap();
    assert_eq!(text(store.realize(&with("a", "1")).unwrap()), "1");
    assert_eq!(
        text(store.realize(&with("a", "2")).unwrap()),
        "1",
        "the same label is the same code"
    );
    assert_eq!(text(store.realize(&with("b", "2")).unwrap()), "2");
    assert_eq!(
        text(store.realize(&first::of(2)).unwrap()),
        "4",
        "the stage's own is another"
    );
    let (rref, built) = building(&store, &with("a", "3"));
    assert!(built.is_empty());
    assert_eq!(text(rref), "1");
}

/// Two modules of one file, whose stages are written alike and call another function each.
mod doubled {
    use pylightnix::prelude::*;
    use std::marker::PhantomData;

    #[derive(Config)]
    pub(super) struct Multiple<T: Send + Sync + 'static> {
        #[selfref("multiple.txt")]
        pub(super) out: SelfRef<Text>,
        #[config(default, unhashed)]
        pub(super) of: PhantomData<T>,
    }

    #[stage]
    fn multiple<T: Send + Sync + 'static>(b: &Build<Multiple<T>>) -> Result<MultipleOutputs> {
        Ok(MultipleOutputs {
            out: b.out.save(number())?,
        })
    }

    fn number() -> &'static str {
        "2"
    }

    pub(super) fn plan() -> DRef<Multiple<()>> {
        instantiate(Multiple::new()).expect("a derivation")
    }
}

mod tripled {
    use pylightnix::prelude::*;
    use std::marker::PhantomData;

    #[derive(Config)]
    pub(super) struct Multiple<T: Send + Sync + 'static> {
        #[selfref("multiple.txt")]
        pub(super) out: SelfRef<Text>,
        #[config(default, unhashed)]
        pub(super) of: PhantomData<T>,
    }

    #[stage]
    fn multiple<T: Send + Sync + 'static>(b: &Build<Multiple<T>>) -> Result<MultipleOutputs> {
        Ok(MultipleOutputs {
            out: b.out.save(number())?,
        })
    }

    fn number() -> &'static str {
        "3"
    }

    pub(super) fn plan() -> DRef<Multiple<()>> {
        instantiate(Multiple::new()).expect("a derivation")
    }
}

#[test]
fn stages_that_are_written_alike_count_by_what_they_call() {
    let (_folder, store) = scratch();
    assert_eq!(doubled::plan().id(), tripled::plan().id());
    let twice = store.realize(&doubled::plan()).unwrap();
    let thrice = store.realize(&tripled::plan()).unwrap();
    assert_eq!(twice.out.load().unwrap(), "2");
    assert_eq!(thrice.out.load().unwrap(), "3");
}

/// Publishes a realization whose code is unknown.
fn unknown(store: &Store, plan: &DRef<first::Sum<()>>, text: &str) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("sum.txt"), text).unwrap();
    let record = BuildRecord::now(BuildKind::Import);
    let json = plan.config_json();
    let published = draft.publish(json, &Context::empty(), Outcome::Ok, &record);
    published.unwrap().id
}

#[test]
fn unknown_results_are_seen_when_they_are_trusted_or_accepted() {
    let (_folder, store) = scratch();
    let plan = first::of(2);
    let id = unknown(&store, &plan, "40");
    let dry = store.plan(&plan).unwrap();
    assert_eq!(
        reason(&dry, plan.id()),
        "stale: the code that made it is unknown: accept it, or trust unknown results"
    );
    let trusting = Realize::new(&store).trust_unknown();
    assert!(trusting.plan(&plan).unwrap().is_done());
    assert_eq!(*trusting.run(&plan).unwrap().id(), id);
    assert_eq!(
        store.realize(&plan).unwrap().out.load().unwrap(),
        "4",
        "unseen"
    );
    // An acceptance of another plan's result.
    let plan = first::of(3);
    let id = unknown(&store, &plan, "60");
    assert_eq!(store.accept(&plan).unwrap()[..], *std::slice::from_ref(&id));
    assert_eq!(*store.realize(&plan).unwrap().id(), id);
    // A realization that is known to be of other code is not trusted.
    let other = other_result::of(3);
    let dry = Realize::new(&store).trust_unknown().plan(&other).unwrap();
    assert_eq!(reason(&dry, other.id()), "stale: its code changed");
}

#[test]
fn a_recorded_failure_is_no_result() {
    let (_folder, store) = scratch();
    let plan = first::of(2);
    let mut draft = store.plumbing().draft().unwrap();
    let record = BuildRecord::now(BuildKind::Build);
    draft
        .publish(
            plan.config_json(),
            &Context::empty(),
            Outcome::Failed,
            &record,
        )
        .unwrap();
    let trusting = Realize::new(&store).trust_unknown();
    assert_eq!(trusting.run(&plan).unwrap().out.load().unwrap(), "4");
    assert!(store.accept(&plan).unwrap().is_empty());
}

#[test]
fn contexts_keep_results_apart() {
    let (_folder, store) = scratch();
    let sums: Vec<_> = ["1", "2"]
        .map(|text| {
            first::of(2).with_realizer(text, move |b| -> Result<()> { done(b.out.save(text)?) })
        })
        .into();
    let user = |sum: &DRef<first::Sum<()>>| instantiate(first::User::new(sum.clone())).unwrap();
    let one = store.realize(&user(&sums[0])).unwrap();
    let (two, built) = building(&store, &user(&sums[1]));
    assert_eq!(
        built,
        [
            "building sum x1: stale: its code changed",
            "building user x1: context changed: it takes another result of a dependency"
        ]
    );
    assert_eq!(
        (one.out.load().unwrap(), two.out.load().unwrap()),
        ("1".into(), "2".into())
    );
    assert_eq!(one.context().collect::<Vec<_>>(), [one.sum.id()]);
    assert_ne!(one.sum, two.sum);
    // Each realization is found by its own context, whichever is newer.
    for (sum, rref) in [(&sums[0], &one), (&sums[1], &two), (&sums[0], &one)] {
        let exactly = sum.clone().with_matcher(matcher::exact(&rref.sum));
        let (again, built) = building(&store, &user(&exactly));
        assert!(built.is_empty());
        assert_eq!(again, *rref);
    }
    let dry = store
        .plan(&user(
            &sums[0]
                .clone()
                .with_realizer("3", |_| -> Result<()> { Ok(()) }),
        ))
        .unwrap();
    assert!(matches!(
        action(&dry, one.id().dref()),
        Action::Undecided { .. }
    ));
    // Equal bytes from different contexts are two realizations.
    let constant = |sum: &DRef<first::Sum<()>>| {
        user(sum).with_realizer("constant", |b| -> Result<()> { done(b.out.save("c")?) })
    };
    let one = store.realize(&constant(&sums[0])).unwrap();
    let two = store.realize(&constant(&sums[1])).unwrap();
    assert_ne!(one.id(), two.id());
}

#[test]
fn a_dry_run_has_a_reason_for_each_stage() {
    let (_folder, store) = scratch();
    let plan = first::plan(2);
    // In an empty store all stages are missing, whatever they depend on.
    let dry = store.plan(&plan).unwrap();
    let order: Vec<_> = dry.steps.iter().map(|step| &step.dref).collect();
    assert_eq!(order, [plan.sum.id(), plan.id()], "dependencies first");
    for step in &dry.steps {
        assert_eq!(
            step.action,
            Action::Build {
                runs: 1,
                reason: Reason::Missing
            }
        );
    }
    let text = format!(
        "build   {}: missing\nbuild   {plan}: missing\n2 of 2 stages to do, 0 reused",
        plan.sum.id()
    );
    assert_eq!(dry.to_string(), text);
    let rref = store.realize(&plan).unwrap();
    let dry = store.plan(&plan).unwrap();
    assert!(dry.is_done());
    assert_eq!(
        *action(&dry, plan.id()),
        Action::Reuse(vec![rref.id().clone()])
    );
    assert_eq!(dry.to_string(), "nothing to build: 2 stages reused");
    assert_eq!(
        dry.step(plan.id()).unwrap().to_string(),
        format!("reuse   {plan}")
    );
    // The matcher wants more realizations.
    let three = plan.clone().with_matcher(matcher::some(3));
    let dry = store.plan(&three).unwrap();
    assert_eq!(
        *action(&dry, plan.id()),
        Action::Build {
            runs: 2,
            reason: Reason::MoreWanted { there: 1 }
        }
    );
    assert!(
        dry.to_string()
            .contains(", 2 runs: its matcher wants more than the existing results (1)\n"),
        "{dry}"
    );
    // Forced, even if it waits for dependencies.
    let forced = Realize::new(&store).force(plan.sum.id());
    let dry = forced.plan(&plan).unwrap();
    assert_eq!(reason(&dry, plan.sum.id()), "forced");
    assert!(matches!(action(&dry, plan.id()), Action::Undecided { .. }));
    let dry = Realize::new(&store).force_all().plan(&plan).unwrap();
    assert_eq!(reason(&dry, plan.id()), "forced");
    // A realization that cannot be chosen.
    let never = plan.clone().with_matcher(matcher::exact(&rref.sum));
    let dry = store.plan(&never).unwrap();
    assert!(
        matches!(action(&dry, plan.id()), Action::Fails(why) if why.contains("another derivation")),
        "{dry}"
    );
    assert!(
        dry.to_string().contains(&format!("fails   {plan}: ")),
        "{dry}"
    );
    assert!(store.plan(&plan).unwrap().step(first::of(7).id()).is_none());
}

#[test]
fn a_dry_run_says_what_a_run_does() {
    // In each state of the store: what the plan predicts to be built is built, and what it predicts to be reused is reused.
    type Make = fn() -> DRef<first::User<()>>;
    let states: [(&str, &[Make]); 3] = [
        ("empty", &[]),
        ("done", &[|| first::plan(2)]),
        ("another", &[|| first::plan(3)]),
    ];
    for (state, before) in states {
        let (_folder, store) = scratch();
        for plan in before {
            store.realize(&plan()).unwrap();
        }
        let target = (first::plan(2), first::plan(4));
        let dry = store.plan(&target).unwrap();
        let builds = dry
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Build { .. }));
        let (builds, undecided) = (
            builds.count(),
            dry.steps
                .iter()
                .any(|step| matches!(step.action, Action::Undecided { .. })),
        );
        let (_, report) = Realize::new(&store).run_reporting(&target).unwrap();
        assert_eq!((report.built, false), (builds, undecided), "{state}");
    }
}

#[test]
fn looking_writes_nothing() {
    let (_folder, store) = scratch();
    let plan = first::plan(2);
    // In an empty store, no lease and no folder is created, and no times change.
    let before = traces(store.root());
    store.plan(&plan).unwrap();
    assert_eq!(traces(store.root()), before);
    let rref = store.realize(&plan).unwrap();
    let root = store.root().to_owned();
    // After the next clock tick, a run caches what it found, and that it is durable, so that it is not checked again.
    std::thread::sleep(Duration::from_millis(200));
    Store::open(&root).unwrap().realize(&plan).unwrap();
    drop(store);
    let before = traces(&root);
    let store = Store::open(&root).unwrap();
    // Only predicted: with nothing to build, and with something to build.
    store.plan(&plan).unwrap();
    store.plan(&other_result::plan(2)).unwrap();
    Realize::new(&store)
        .force_all()
        .plan(&first::plan(9))
        .unwrap();
    store
        .realization_as::<first::User<()>>(&rref)
        .unwrap()
        .out
        .load()
        .unwrap();
    store.realize(&plan).unwrap();
    store.realize(&(&plan, first::of(2))).unwrap();
    assert!(store.accept(&plan).unwrap().is_empty());
    drop(store);
    assert_eq!(traces(&root), before);
}

#[test]
fn what_counts_in_a_run_reaches_every_way_to_ask() {
    let (_folder, store) = scratch();
    let plan = first::plan(2);
    let counts = || [Counts::Profile, Counts::krate("serde_json")];
    let run = || Realize::new(&store).counts(counts());
    store.realize(&plan).unwrap();
    assert!(run().realized(&plan).is_err());
    assert!(run().code_notes(&plan).unwrap().earlier.is_none());
    let why = run().why(&plan, plan.id()).unwrap().to_string();
    assert!(why.contains("environment"), "{why}");

    // Accepting counts for such runs only, and stepping makes such results.
    run().accept().stage(plan.sum.id()).run(&plan).unwrap();
    assert!(run().realized(&plan.sum).is_ok() && run().realized(&plan).is_err());
    let mut steps = run().step(plan.clone()).unwrap();
    steps.run_all().unwrap();
    assert!(run().realized(&plan).is_ok());
    // A derivation may be in a plan twice.
    assert!(
        run()
            .realized(&(plan.clone(), first::plan(2), plan.sum.clone()))
            .is_ok()
    );
    assert!(
        Realize::new(&store)
            .counts([Counts::Profile])
            .realized(&plan)
            .is_err()
    );
}

#[test]
fn of_a_given_realizer_what_is_not_known_cannot_count() {
    let (_folder, store) = scratch();
    let given = |text: &'static str| {
        first::of(2).with_realizer("label", move |b| -> Result<()> { done(b.out.save(text)?) })
    };
    store.realize(&given("1")).unwrap();
    let run = |what| Realize::new(&store).counts([what]);
    let sum = run(Counts::Rustc).run(&given("2")).unwrap();
    assert_eq!(sum.out.load().unwrap(), "2");
    let again = run(Counts::Rustc).run(&given("3")).unwrap();
    assert_eq!(again, sum);
    for what in [Counts::Features, Counts::krate("serde")] {
        let said = format!(
            "{what} is to count in this run, and for stage `sum` it is not known: the plan gives it a realizer"
        );
        let error = run(what).run(&given("4")).unwrap_err().to_string();
        assert!(error.starts_with(&said), "{error}");
    }
}
