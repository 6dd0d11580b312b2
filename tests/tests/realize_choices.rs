//! The build record of a consumer contains the matchers' choices and the numbers of candidates.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::prelude::*;
use pylightnix::store::{BuildRecord, RecordedChoice};
use std::fs;
use std::path::PathBuf;
use tests::runs::scratch;

/// A stage with different results.
#[derive(Config)]
struct Trial {
    #[selfref("score.json")]
    score: SelfRef<Json<f64>>,
    seed: u64,
}

#[stage(matcher = lowest(score))]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    #[expect(clippy::cast_precision_loss, reason = "few runs")]
    let score = b.score.save(&(b.index() as f64))?;
    Ok(TrialOutputs { score })
}

fn score(run: &RRef<Trial>) -> Result<f64> {
    Ok(run.score.load()?)
}

/// A deterministic stage.
#[derive(Config)]
struct Constant {}

#[stage]
fn constant(_: &Build<Constant>) -> Result<()> {
    Ok(())
}

/// A stage with all of these as dependencies.
#[derive(Config)]
struct After {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    #[dref]
    best: DRef<Trial>,
    #[dref]
    three: DRef<Trial, Many>,
    #[dref]
    constant: Option<DRef<Constant>>,
}

#[stage]
fn after(b: &Build<After>) -> Result<AfterOutputs> {
    let text = b.text.save("after")?;
    Ok(AfterOutputs { text })
}

fn of(seed: u64) -> DRef<Trial> {
    instantiate(Trial::new(seed)).unwrap()
}

fn plan() -> DRef<After> {
    let three = of(2).lowest_n(3, score);
    let constant = instantiate(Constant::new()).unwrap();
    instantiate(After::new(of(1), three, Some(constant))).unwrap()
}

/// Returns the path of the build record.
fn file(rref: &RRef<After>) -> PathBuf {
    let name = format!("build-{}.json", rref.builds()[0].id);
    rref.path().with_file_name(name)
}

/// Reads the records as another process does.
fn read(store: &Store, rref: &RRef<After>) -> Vec<BuildRecord> {
    let store = Store::open(store.root()).unwrap();
    store.realization(rref.id()).unwrap().builds().to_vec()
}

fn is(choice: &RecordedChoice, matcher: &str, took: &[&RRef<Trial>], from: usize) {
    assert_eq!(choice.matcher, matcher);
    assert_eq!(
        choice.took.iter().collect::<Vec<_>>(),
        took.iter().map(|rref| rref.id()).collect::<Vec<_>>()
    );
    assert_eq!(choice.from, from);
}

#[test]
fn a_build_record_says_how_each_dependency_was_chosen() {
    let (_folder, store) = scratch();
    store.realize(&of(1).latest_n(4)).unwrap();
    store.realize(&of(2).latest_n(5)).unwrap();
    let made = store.realize(&plan()).unwrap();
    let record = &made.builds()[0];
    assert_eq!(record.choices.len(), 3);
    // The matcher as written in the stage, or as the matcher of the plan describes itself.
    is(
        &record.choices[of(1).id()],
        "lowest(score)",
        &[&made.best],
        4,
    );
    let three: Vec<_> = made.three.iter().collect();
    let by = "lowest_n(3, realize_choices::score)";
    is(&record.choices[of(2).id()], by, &three, 5);
    assert_eq!(made.best.score.load().unwrap(), 0.);
    let constant = &record.choices[made.constant.as_ref().unwrap().id().dref()];
    assert_eq!((constant.matcher.as_str(), constant.from), ("latest()", 1));
    assert_eq!(read(&store, &made), made.builds());
    // A stage without dependencies records no choices.
    assert!(made.best.builds()[0].choices.is_empty());
    let name = format!("build-{}.json", made.best.builds()[0].id);
    let text = fs::read_to_string(made.best.path().with_file_name(name)).unwrap();
    assert!(!text.contains("\"choices\""), "{text}");
}

#[test]
fn it_is_sorted_and_stands_beside_the_rest() {
    let (_folder, store) = scratch();
    let made = store.realize(&plan()).unwrap();
    let text = fs::read_to_string(file(&made)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<_> = value["choices"].as_object().unwrap().keys().collect();
    assert!(keys.is_sorted());
    let choice = &value["choices"][of(1).id().to_string()];
    assert_eq!(
        *choice,
        serde_json::json!({
            "matcher": "lowest(score)",
            "took": [made.best.id().to_string()],
            "from": 1,
        })
    );
    // The choices are part of an archive.
    let archive = store.root().with_extension("zip");
    store.pack([&made], &archive).unwrap();
    let (_other, other) = scratch();
    other.unpack(&archive).unwrap();
    let there = read(&other, &made);
    assert!(there.contains(&made.builds()[0]), "{there:?}");
}

#[test]
fn records_without_it_or_with_another_form_of_it_are_read() {
    let (_folder, store) = scratch();
    let made = store.realize(&plan()).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(file(&made)).unwrap()).unwrap();
    let good = (
        of(1).id().to_string(),
        whole["choices"][of(1).id().to_string()].clone(),
    );
    let forms = [
        (None, 0),
        (Some(serde_json::json!(null)), 0),
        (Some(serde_json::json!(["latest()"])), 0),
        (
            Some(serde_json::json!({"not a reference": good.1, good.0.clone(): good.1})),
            1,
        ),
        (
            Some(serde_json::json!({of(2).id().to_string(): 7, good.0.clone(): good.1})),
            1,
        ),
    ];
    for (form, count) in forms {
        let mut record = whole.clone();
        let object = record.as_object_mut().unwrap();
        object.remove("choices");
        object.extend(form.map(|form| ("choices".to_owned(), form)));
        fs::remove_file(file(&made)).unwrap();
        fs::write(file(&made), record.to_string()).unwrap();
        let there = read(&store, &made);
        assert_eq!(there[0].choices.len(), count);
        assert_eq!(there[0].fingerprint, made.builds()[0].fingerprint);
        // The result is still current.
        assert!(store.plan(&plan()).unwrap().is_done());
    }
}

#[test]
fn matchers_say_what_they_are() {
    fn first(runs: &[RRef<Trial>]) -> Result<Option<RRef<Trial>>> {
        Ok(runs.first().cloned())
    }
    let (_folder, store) = scratch();
    let one = store.realize(&of(1)).unwrap();
    let id = one.id();
    let said = |matcher: &dyn Fn(DRef<Trial>) -> DRef<Trial>, expected: &str| {
        let three = of(2).lowest_n(1, score);
        let after = instantiate(After::new(matcher(of(1)), three, None)).unwrap();
        // The result may be chosen by another matcher: each run adds a record.
        let made = Realize::new(&store).force(&after).run(&after).unwrap();
        let newest = made.builds().last().unwrap();
        assert_eq!(newest.choices[of(1).id()].matcher, expected);
    };
    said(&|dref| dref.only(), "only()");
    said(&|dref| dref.latest(), "latest()");
    said(
        &|dref| dref.highest(score),
        "highest(realize_choices::score)",
    );
    said(
        &|dref| dref.with_matcher(matcher::exact(id)),
        &format!("exact({id})"),
    );
    let picked = "pick(realize_choices::matchers_say_what_they_are::first)";
    said(&|dref| dref.with_matcher(matcher::pick(first)), picked);
    fn any(_: &RRef<Trial>) -> Result<bool> {
        Ok(true)
    }
    let filtered = "latest().filter(realize_choices::matchers_say_what_they_are::any)";
    said(
        &|dref| dref.with_matcher(Matcher::<Trial>::filter(matcher::latest(), any)),
        filtered,
    );
}
