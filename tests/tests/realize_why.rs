//! Explanations why stages ran, or would run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::BoxError;
use pylightnix::config::ConfigJson;
use pylightnix::plan::Target;
use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::realize::why::{Cause, CodeChange, Standing, Why};
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tests::runs::{assert_says, scratch};

/// Defines an experiment of two stages, in several versions of a program.
macro_rules! version {
    ($version:ident, $load:expr, $train:expr, [$($option:tt)*] $($field:tt)*) => {
        mod $version {
            use pylightnix::prelude::*;
            use std::marker::PhantomData;

            /// A stage that reads data.
            #[derive(Config)]
            pub(crate) struct Load<T: Send + Sync + 'static> {
                #[selfref("data.txt")]
                pub(crate) out: SelfRef<Text>,
                pub(crate) path: String,
                #[config(default, unhashed)]
                pub(crate) of: PhantomData<T>,
            }

            /// A helper of both stages.
            #[track]
            fn shared(n: u64) -> u64 {
                $load(n)
            }

            #[stage(uses(shared))]
            fn load<T: Send + Sync + 'static>(b: &Build<Load<T>>) -> Result<LoadOutputs> {
                Ok(LoadOutputs { out: b.out.save(&shared(b.path.len() as u64).to_string())? })
            }

            /// A stage that processes the data.
            #[derive(Config)]
            pub(crate) struct Train<T: Send + Sync + 'static> {
                #[selfref("model.txt")]
                pub(crate) out: SelfRef<Text>,
                #[dref]
                pub(crate) data: DRef<Load<T>>,
                pub(crate) rate: f64,
                $($field)*
            }

            #[stage($($option)*)]
            fn train<T: Send + Sync + 'static>(b: &Build<Train<T>>) -> Result<TrainOutputs> {
                let run: fn(&Build<Train<T>>) -> f64 = $train;
                Ok(TrainOutputs { out: b.out.save(&format!("{} {}", b.data.out.load()?, run(b)))? })
            }

            /// Returns the plan of both.
            pub(crate) fn plan(path: &str, rate: f64) -> DRef<Train<()>> {
                let data = instantiate(Load::new(path.to_owned())).expect("a derivation");
                instantiate(Train::new(data, rate)).expect("a derivation")
            }
        }
    };
}

version!(first, |n| n, |b| b.rate, []);
version!(other_helper, |n| n + 1, |b| b.rate, []);
version!(other_code, |n| n, |b| b.rate * 2., []);
version!(pinned, |n| n, |b| b.rate * f64::from(b.by), [version = 1]
    #[config(default = 1, omit_default)] pub(crate) by: u32,);
version!(other_default, |n| n, |b| b.rate * f64::from(b.by), [version = 1]
    #[config(default = 2, omit_default)] pub(crate) by: u32,);

fn causes(why: &Why) -> Vec<String> {
    let all = why.changes.iter().flat_map(|change| &change.causes);
    all.map(ToString::to_string).collect()
}

fn code(why: &Why) -> &CodeChange {
    let mut all = why.changes.iter().flat_map(|change| &change.causes);
    let code = all.find_map(|cause| match cause {
        Cause::Code(code) => Some(code),
        _ => None,
    });
    code.unwrap()
}

#[test]
fn the_first_has_nothing_before_it() {
    let (_folder, store) = scratch();
    let rref = store.realize(&first::plan("a", 0.1)).unwrap();
    let why = store.why(&rref).unwrap();
    assert!(why.nearest.is_none() && why.changes.is_empty() && why.repeated.is_empty());
    assert_eq!(why.in_short(), "the first of its name in the store");
    assert!(
        why.to_string()
            .contains("no earlier build with the name `train`")
    );
    let choice = &why.choices[rref.data.id().dref()];
    assert_eq!(
        (choice.from, &choice.took),
        (1, &vec![rref.data.id().clone()])
    );
}

#[test]
fn fields_that_changed_here_and_in_a_dependency() {
    let (_folder, store) = scratch();
    store.realize(&first::plan("a", 0.1)).unwrap();
    let rref = store.realize(&first::plan("b", 0.2)).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(
        causes(&why),
        [
            "rate: 0.1 -> 0.2",
            "data: another `load`",
            "path: \"a\" -> \"b\""
        ]
    );
    assert_eq!(why.nearest.unwrap().fields, 2);
    assert_eq!(why.in_short(), "`rate` changed; `path` of `load` changed");
    let json = serde_json::to_value(&why).unwrap();
    assert_eq!(json["changes"][0]["causes"][0]["old"], 0.1);
    assert_eq!(json["changes"][0]["causes"][1]["change"], 1);
    assert_eq!(json["changes"][1]["causes"][0]["kind"], "field");
    // The dependency itself.
    let why = store.why(&rref.data).unwrap();
    assert_eq!(causes(&why), ["path: \"a\" -> \"b\""]);
}

#[test]
fn the_fewest_fields_and_then_the_newest() {
    let (_folder, store) = scratch();
    for (path, rate) in [("b", 0.1), ("b", 0.2), ("c", 0.3)] {
        store.realize(&first::plan(path, rate)).unwrap();
    }
    let rref = store.realize(&first::plan("b", 0.4)).unwrap();
    // A later build is not an earlier version.
    store.realize(&first::plan("b", 0.5)).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(causes(&why), ["rate: 0.2 -> 0.4"]);
    let nearest = why.nearest.unwrap();
    assert_eq!((nearest.compared, nearest.there), (4, 4));
}

#[test]
fn code_that_changed_as_people_wrote_it() {
    let (_folder, store) = scratch();
    store.realize(&first::plan("a", 0.1)).unwrap();
    let rref = store.realize(&other_code::plan("a", 0.1)).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(causes(&why), ["code: stage `train` changed"]);
    let part = &code(&why).parts[0];
    let (old, new) = (part.old.as_ref().unwrap(), part.new.as_ref().unwrap());
    let differing: Vec<_> = (old.lines().zip(new.lines()))
        .filter(|(old, new)| old != new)
        .collect();
    let [(old, new)] = &differing[..] else {
        panic!("{differing:?}")
    };
    assert!(
        old.contains("b.rate⟩") && new.contains("b.rate * 2."),
        "{old} {new}"
    );
}

#[test]
fn a_helper_of_a_dependency() {
    let (_folder, store) = scratch();
    store.realize(&first::plan("a", 0.1)).unwrap();
    let plan = other_helper::plan("a", 0.1);
    // Before it runs: the dependency has to be built, for this reason.
    let why = Realize::new(&store).why(&plan, &plan).unwrap();
    assert_eq!(
        causes(&why),
        [
            "data: `load` has to be built",
            "code: helper `shared` changed"
        ]
    );
    assert!(why.rref.is_none() && why.action.as_ref().unwrap().starts_with("later"));
    let choice = why.choice.as_ref().unwrap();
    assert_eq!(choice.candidates[0].standing, Standing::Undecided);
    // After the run.
    let rref = store.realize(&plan).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(
        causes(&why),
        [
            "data: another result of `load`",
            "code: helper `shared` changed"
        ]
    );
    assert_eq!(why.in_short(), "the code of `load` changed");
    assert!(
        why.to_string().contains("`load`, data of `train`: rref:"),
        "{why}"
    );
    let part = &code(&why).parts[0];
    assert!(
        part.old.as_ref().unwrap().contains("n⟩(n)")
            && part.new.as_ref().unwrap().contains("n + 1")
    );
}

#[test]
fn a_default_that_changed_or_came() {
    let (_folder, store) = scratch();
    store.realize(&pinned::plan("a", 0.1)).unwrap();
    let plan = other_default::plan("a", 0.1);
    let why = Realize::new(&store).why(&plan, &plan).unwrap();
    assert_eq!(causes(&why), ["default of by: 1 -> 2"]);
    let choice = why.choice.unwrap();
    let [candidate] = &choice.candidates[..] else {
        panic!("{choice:?}")
    };
    assert_eq!(candidate.standing, Standing::Stale);
    assert!(
        candidate.to_string().ends_with("changed from 1 to 2"),
        "{candidate}"
    );
    // An omitted field had its default.
    let (data, rate) = (plan.data.clone(), plan.rate);
    let other = instantiate(other_default::Train {
        by: 7,
        ..other_default::Train::new(data, rate)
    });
    let rref = store.realize(&other.unwrap()).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(causes(&why), ["by: 1 -> 7"]);
}

/// Makes each run give another result.
static RUNS: AtomicU32 = AtomicU32::new(0);

#[derive(Config)]
struct Draw {
    #[selfref("n.txt")]
    out: SelfRef<Text>,
}

#[stage]
fn draw(b: &Build<Draw>) -> Result<DrawOutputs> {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    Ok(DrawOutputs {
        out: b.out.save(&run.to_string())?,
    })
}

#[derive(Config)]
struct Use {
    #[selfref("n.txt")]
    out: SelfRef<Text>,
    #[dref]
    drawn: DRef<Draw>,
}

#[stage]
fn use_it(b: &Build<Use>) -> Result<UseOutputs> {
    Ok(UseOutputs {
        out: b.out.save(&b.drawn.out.load()?)?,
    })
}

#[test]
fn the_same_code_once_more_and_what_the_matcher_takes() {
    let (_folder, store) = scratch();
    let drawn = instantiate(Draw::new()).unwrap();
    let plan = instantiate(Use::new(drawn.clone())).unwrap();
    let old = store.realize(&plan).unwrap();
    let new = Realize::new(&store).force(&drawn).run(&plan).unwrap();
    let why = store.why(&new).unwrap();
    assert_eq!(why.in_short(), "`draw` gave another result");
    let Cause::Dependency(dep) = &why.changes[0].causes[0] else {
        panic!("{why}")
    };
    assert_eq!(dep.field.as_deref(), Some("drawn"));
    assert_eq!(
        (&dep.old_taken, &dep.new_taken),
        (&vec![old.drawn.id().clone()], &vec![new.drawn.id().clone()])
    );
    let choice = &why.choices[drawn.id()];
    assert_eq!((choice.matcher.as_str(), choice.from), ("latest()", 2));
    // The stage that was forced: nothing changed.
    let why = store.why(&new.drawn).unwrap();
    assert_eq!(why.repeated, [old.drawn.id().clone()]);
    assert_eq!(why.in_short(), "rebuilt by the same code");
    // The current candidates of the matcher.
    let why = Realize::new(&store).why(&plan, &drawn).unwrap();
    let candidates = why.choice.unwrap().candidates;
    let standings: Vec<_> = candidates.iter().map(|one| one.standing).collect();
    assert_eq!(standings, [Standing::Taken, Standing::Seen]);
    assert_eq!(candidates[0].rref, *new.drawn.id());
    let why = Realize::new(&store).why(&plan, &plan).unwrap();
    let candidates = why.choice.unwrap().candidates;
    assert_eq!(candidates[1].standing, Standing::OtherContext);
    // By name.
    let other = first::plan("a", 0.1);
    let refused = Realize::new(&store).why(&plan, &other).unwrap_err();
    assert_says(&refused, &["is not in the plan"]);
}

#[derive(Config)]
struct Trial {
    #[selfref("score.txt")]
    score: SelfRef<Text>,
}

#[stage(nouts = 3)]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    Ok(TrialOutputs {
        score: b.score.save(&b.index().to_string())?,
    })
}

#[derive(Config)]
struct Winner {
    #[selfref("n.txt")]
    out: SelfRef<Text>,
    #[dref]
    trial: DRef<Trial>,
}

#[stage]
fn winner(b: &Build<Winner>) -> Result<WinnerOutputs> {
    Ok(WinnerOutputs {
        out: b.out.save(&b.trial.score.load()?)?,
    })
}

fn score(run: &RRef<Trial>) -> Result<f64, BoxError> {
    Ok(run.score.load()?.parse()?)
}

/// The direction in which `turned` compares scores: its text does not change, as that of a key function whose body changes.
static TURN: AtomicBool = AtomicBool::new(false);

fn turned(run: &RRef<Trial>) -> Result<f64, BoxError> {
    let score = score(run)?;
    Ok(if TURN.load(Ordering::Relaxed) {
        -score
    } else {
        score
    })
}

/// The result of a stage that did not run can change too: its matcher takes another realization.
#[test]
fn a_matcher_that_takes_another_result() {
    let (_folder, store) = scratch();
    let trial = instantiate(Trial::new()).unwrap();
    let highest_score = trial.clone().with_matcher(matcher::highest(score));
    let lowest_score = trial.with_matcher(matcher::lowest(score));
    let plan = |of: &DRef<Trial>| instantiate(Winner::new(of.clone())).unwrap();
    store.realize(&plan(&highest_score)).unwrap();
    // Another matcher.
    let plan_now = plan(&lowest_score);
    let [by_highest, by_lowest] =
        ["highest", "lowest"].map(|way| format!("{way}(realize_why::score)"));
    let changed = format!("its matcher changed: `{by_highest}` -> `{by_lowest}`");
    let brief = format!("from `trial`: {changed}");
    assert_eq!(told(&Realize::new(&store), &plan_now), ["", brief.as_str()]);
    let before = Realize::new(&store).why(&plan_now, &plan_now).unwrap();
    assert_eq!(before.in_short(), format!("of `trial`, {changed}"));
    assert!(before.to_string().contains(&changed), "{before}");
    assert_eq!(told_in_run(&store, &plan_now), [brief]);
    let why = store.why(store.realize(&plan_now).unwrap()).unwrap();
    assert_eq!(why.in_short(), format!("of `trial`, {changed}"));
    // Another key function with the same name.
    let (_folder, store) = scratch();
    let plan = plan(&lowest_score.clone().with_matcher(matcher::highest(turned)));
    store.realize(&plan).unwrap();
    TURN.store(true, Ordering::Relaxed);
    let takes = "its matcher `highest(realize_why::turned)` takes another of its results";
    let brief = format!("from `trial`: {takes}");
    assert_eq!(told(&Realize::new(&store), &plan), ["", brief.as_str()]);
    let why = store.why(store.realize(&plan).unwrap()).unwrap();
    assert_eq!(causes(&why)[1..], [takes]);
}

/// A removed result is not reported as nonexistent, and a repeated failure is not reported as another result.
#[test]
fn what_is_not_known_is_not_told() {
    let (_folder, store) = scratch();
    let plan = first::plan("a", 0.1);
    store.realize(&plan).unwrap();
    fs::remove_dir_all(store.derivation_dir(plan.id())).unwrap();
    let run = Realize::new(&store);
    assert_eq!(told(&run, &plan), ["", "missing"]);
    let why = run.why(&plan, &plan).unwrap();
    assert!(!why.to_string().contains("was built before\n"), "{why}");
    // Nothing differs, and the stage runs anyway.
    let forced = Realize::new(&store).force(&plan.data);
    let why = forced.why(&plan, &plan.data).unwrap();
    assert_eq!(why.in_short(), "forced");
}

fn forget_code(store: &Store) {
    for text in fs::read_dir(store.root().join("code")).unwrap() {
        fs::remove_file(text.unwrap().path()).unwrap();
    }
}

#[test]
fn what_is_broken_or_gone_is_passed_over() {
    let (_folder, store) = scratch();
    let near = store.realize(&first::plan("a", 0.1)).unwrap();
    let far = store.realize(&first::plan("b", 0.1)).unwrap();
    let rref = store.realize(&first::plan("a", 0.2)).unwrap();
    // The text of its code is removed too.
    forget_code(&store);
    let record = store.realization_dir(near.id()).join("record");
    fs::remove_file(&record).unwrap();
    fs::write(&record, "broken").unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(why.changes[0].old.rref.as_ref(), Some(far.id()));
    let folder = store.derivation_dir(far.data.id().dref());
    fs::remove_dir_all(folder).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!(causes(&why)[1..], ["data: another `load`"]);
    let rref = store.realize(&other_code::plan("a", 0.2)).unwrap();
    forget_code(&store);
    let why = store.why(&rref).unwrap();
    assert!(causes(&why)[0].ends_with("whose texts were not saved"));
    assert!(store.why(near.id()).is_err());
}

#[test]
fn realizations_that_nobody_says_who_built() {
    let (_folder, store) = scratch();
    let config = |n: u32| {
        let text = format!(r#"{{"name": "old", "n": {n}}}"#);
        ConfigJson::from_json(&text).unwrap()
    };
    let import = BuildRecord::now(BuildKind::Import);
    let rrefs = [1, 2].map(|n| {
        let mut draft = store.plumbing().draft().unwrap();
        fs::write(draft.out().join("x"), "").unwrap();
        let done = draft.publish(&config(n), &Context::empty(), Outcome::Ok, &import);
        done.unwrap().id
    });
    // Both were imported at once, so neither is earlier.
    assert!(store.why(&rrefs[1]).unwrap().nearest.is_none());
    let later = BuildRecord::now(BuildKind::Import);
    store.plumbing().add_build(&rrefs[1], &later, None).unwrap();
    let why = store.why(&rrefs[1]).unwrap();
    assert_eq!(causes(&why), ["n: 1 -> 2"]);
}

/// A chain is followed to its beginning, and up to a limit.
#[test]
fn a_chain_is_followed() {
    #[derive(Config)]
    struct Link {
        #[dref]
        before: Option<DRef<Link>>,
        n: u64,
    }
    #[stage]
    fn link(_: &Build<Link>) -> Result<()> {
        Ok(())
    }
    let chain = |seed: u64, length: u64| {
        let mut last = instantiate(Link::new(None, seed)).unwrap();
        for n in 0..length {
            last = instantiate(Link::new(Some(last), n)).unwrap();
        }
        last
    };
    let (_folder, store) = scratch();
    store.realize(&chain(1, 20)).unwrap();
    let rref = store.realize(&chain(2, 20)).unwrap();
    let why = store.why(&rref).unwrap();
    assert_eq!((why.changes.len(), why.cut), (21, false));
    assert_eq!(why.in_short(), "`n` of `link` changed");
    store.realize(&chain(1, 300)).unwrap();
    let rref = store.realize(&chain(2, 300)).unwrap();
    assert!(store.why(&rref).unwrap().cut);
}

/// Returns the explanations of the stages of a plan, dependencies first.
fn told(run: &Realize<'_>, plan: &impl Target) -> Vec<String> {
    let plan = run.explain(plan).unwrap();
    let whys = plan.steps.into_iter();
    whys.map(|step| step.why.unwrap_or_default()).collect()
}

/// Returns the explanations in the events of each stage that a run builds.
fn told_in_run(store: &Store, plan: &impl Target) -> Vec<String> {
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Building { why, .. } = event {
            told.lock().unwrap().push(why.to_string());
            // Formatting it again gives the same text.
            assert_eq!(told.lock().unwrap().last(), Some(&why.to_string()));
        }
    };
    let run = Realize::new(store).jobs(1).observer(observer);
    run.run_reporting(plan).unwrap();
    drop(run);
    told.into_inner().unwrap()
}

#[test]
fn in_a_few_words_before_and_in_a_run() {
    let (_folder, store) = scratch();
    let run = || Realize::new(&store);
    let plan = first::plan("a", 0.1);
    assert_eq!(told(&run(), &plan), ["missing", "missing"]);
    // Nothing is computed unless it is requested.
    let bare = run().plan(&plan).unwrap();
    assert!(bare.steps.iter().all(|step| step.why.is_none()));
    assert_eq!(told_in_run(&store, &plan), ["missing", "missing"]);
    assert_eq!(told(&run(), &plan), ["", ""]);
    assert_eq!(
        told(&run().force(&plan.data), &plan),
        ["forced", "from `load`: forced"]
    );
    for (plan, whys) in [
        (
            first::plan("b", 0.1).erase(),
            [
                r#"config changed: path "a" -> "b""#,
                r#"from `load`: path "a" -> "b""#,
            ],
        ),
        (
            first::plan("c", 0.2).erase(),
            [
                r#"config changed: path "b" -> "c""#,
                r#"config changed: rate 0.1 -> 0.2; from `load`: path "b" -> "c""#,
            ],
        ),
        (
            other_helper::plan("c", 0.2).erase(),
            [
                "code changed: helper `shared`",
                "from `load`: code changed: helper `shared`",
            ],
        ),
    ] {
        assert_eq!(told(&run(), &plan), whys);
        assert_eq!(told_in_run(&store, &plan), whys);
    }
    // Results of the earlier code are in the store.
    let plan = other_code::plan("c", 0.2);
    let both = "code changed; from `load`: code changed: helper `shared`";
    assert_eq!(told(&run(), &plan), ["", both]);
    assert_eq!(told_in_run(&store, &plan), [both]);
    let text = run().explain(&first::plan("d", 0.2)).unwrap().to_string();
    assert!(
        text.contains(r#"-load: config changed: path "c" -> "d""#),
        "{text}"
    );
}

#[test]
fn other_stages_of_the_plan_are_no_earlier_versions() {
    let (_folder, store) = scratch();
    let sweep = |path, rates: &[f64]| -> Vec<_> {
        let rates = rates.iter();
        rates.map(|rate| first::plan(path, *rate)).collect()
    };
    let whole = sweep("a", &[0.1, 0.2, 0.3]);
    store.realize(&whole).unwrap();
    // A new stage beside existing ones.
    let more = sweep("a", &[0.1, 0.2, 0.3, 0.4]);
    let whys = told(&Realize::new(&store), &more);
    assert_eq!(whys, ["", "", "", "", "missing"]);
    // Each stage has its own earlier version, and all have one cause.
    let other = sweep("b", &[0.3, 0.2, 0.1]);
    let whys = told(&Realize::new(&store), &other);
    assert_eq!(whys[0], r#"config changed: path "a" -> "b""#);
    assert_eq!(whys[1..], [r#"from `load`: path "a" -> "b""#; 3]);
    let why = Realize::new(&store).why(&other, &other[0]).unwrap();
    assert_eq!(why.in_short(), "`path` of `load` changed");
}

#[test]
fn of_many_stages_only_the_first_are_told() {
    let (_folder, store) = scratch();
    let many = |path| -> Vec<_> {
        let all = (0..400).map(|n| first::plan(path, f64::from(n) + 0.5));
        all.collect()
    };
    store.realize(&many("a")).unwrap();
    let many = many("b");
    let plan = Realize::new(&store).explain(&many).unwrap();
    assert_eq!(plan.steps.len(), 401);
    assert_eq!(plan.untold, 101);
    let whys: Vec<_> = plan.steps.iter().map(|step| &step.why).collect();
    // Among many, each stage is compared with its own earlier version.
    let why = r#"from `load`: path "a" -> "b""#;
    assert!(whys[1..300].iter().all(|told| told.as_deref() == Some(why)));
    assert!(whys[300..].iter().all(|told| told.is_none()));
    let text = plan.to_string();
    assert!(text.contains(": missing\n"), "{text}");
    assert!(
        text.contains("\n101 more stages are not explained\n"),
        "{text}"
    );
    let whys = told_in_run(&store, &many);
    assert_eq!(whys[300], "missing (further stages are not explained)");
    assert!(whys[301..].iter().all(|why| why == "missing"));
}

#[test]
fn long_values_and_many_causes_are_cut() {
    let (_folder, store) = scratch();
    let old = "x".repeat(100);
    store.realize(&first::plan(&old, 0.1)).unwrap();
    let whys = told(&Realize::new(&store), &first::plan("b", 0.1));
    let cut = format!("\"{}..", "x".repeat(39));
    assert_eq!(whys[0], format!(r#"config changed: path {cut} -> "b""#));
}
