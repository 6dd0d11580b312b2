//! Runs that are asked while the plan is made: answers, dry runs, plans made again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::ErrorKind;
use pylightnix::experiment::{Answer, Answers};
use pylightnix::prelude::*;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tests::runs::{Told, assert_says, scratch};

/// Differs in each run.
#[derive(Config)]
struct Draw {
    #[selfref("drawn.json")]
    drawn: SelfRef<Json<usize>>,
    of: String,
}

#[stage]
fn draw(b: &Build<Draw>) -> Result<DrawOutputs> {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    Ok(DrawOutputs {
        drawn: b.drawn.save(&COUNT.fetch_add(1, SeqCst))?,
    })
}

/// Made of a draw.
#[derive(Config)]
struct Twice {
    #[selfref("twice.json")]
    twice: SelfRef<Json<usize>>,
    #[dref]
    draw: DRef<Draw>,
}

#[stage]
fn twice(b: &Build<Twice>) -> Result<TwiceOutputs> {
    Ok(TwiceOutputs {
        twice: b.twice.save(&(b.draw.drawn.load()? * 2))?,
    })
}

fn drawn(name: &str) -> DRef<Draw> {
    instantiate(Draw::new(name.to_owned())).unwrap()
}

fn doubled(name: &str) -> DRef<Twice> {
    instantiate(Twice::new(drawn(name))).unwrap()
}

/// Asks for a draw, and then plans what depends on it, and as many others as it says.
fn experiment(run: &Run<'_>) -> Result<(DRef<Twice>, Vec<DRef<Draw>>)> {
    let count = run.realize(&drawn("first"))?.drawn.load()? % 3 + 1;
    let others = (0..count).map(|number| drawn(&format!("other {number}")));
    Ok((doubled("first"), others.collect()))
}

#[test]
fn a_derivation_is_chosen_and_forced_once_in_a_run() {
    let (_folder, store) = scratch();
    store.realize(&drawn("first")).unwrap();
    let told = Told::default();
    let run = Realize::new(&store)
        .jobs(1)
        .force(drawn("first"))
        .observer(&told);
    let (twice, others) = run.evaluate(experiment).unwrap();
    let first = twice.draw.drawn.load().unwrap();
    assert_eq!(twice.twice.load().unwrap(), first * 2);
    assert_eq!(others.len(), first % 3 + 1);
    let forced = told.of("building");
    let of_first = forced.iter().filter(|line| line.ends_with("forced"));
    assert_eq!(of_first.count(), 1, "{forced:?}");
}

#[test]
fn the_same_question_has_the_same_answer() {
    let (_folder, store) = scratch();
    let run = Run::new(Realize::new(&store).force_all());
    let one = run.realize(&drawn("first")).unwrap();
    let two = run.realize(&drawn("first")).unwrap();
    let (three, _) = run.finish(&drawn("first")).unwrap();
    assert_eq!((one.id(), one.id()), (two.id(), three.id()));
    // The plan of a target that is made again.
    run.begin("");
    assert_eq!(run.realize(&drawn("first")).unwrap(), one);
    assert_eq!(run.answers().of("").len(), 2);
}

#[test]
fn a_plan_is_made_again_from_its_answers() {
    let (folder, store) = scratch();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "one").unwrap();
    let plan = |run: &Run<'_>| -> Result<_> { Ok((run.file(&path)?, experiment(run)?)) };
    let run = Run::new(Realize::new(&store));
    let (file, (twice, others)) = plan(&run).unwrap();
    let text = serde_json::to_string(&run.answers()).unwrap();
    let answers: Answers = serde_json::from_str(&text).unwrap();
    assert_eq!(answers, run.answers());

    // Later there are other results, and the file is gone.
    Realize::new(&store)
        .force_all()
        .run(&drawn("first"))
        .unwrap();
    fs::remove_file(&path).unwrap();
    let told = Told::default();
    let again = Run::again(Realize::new(&store).observer(&told), answers);
    let (same_file, (same, same_others)) = plan(&again).unwrap();
    assert_eq!(told.lines(), [""; 0]);
    assert_eq!(same_file.id(), file.id());
    assert_eq!(same.id(), twice.id());
    let ids = |all: &[DRef<Draw>]| all.iter().map(|dref| dref.id().clone()).collect::<Vec<_>>();
    assert_eq!(ids(&same_others), ids(&others));
}

#[test]
fn what_was_chosen_is_seen_again_with_all_that_it_was_made_from() {
    let (_folder, store) = scratch();
    let run = Run::new(Realize::new(&store));
    let first = run.realize(&(doubled("a"), doubled("b"))).unwrap();
    let again = Run::again(Realize::new(&store), run.answers());
    let second = again.realize(&(doubled("a"), doubled("b"))).unwrap();
    assert_eq!(first, second);
    assert_eq!(second.0.draw.id(), first.0.draw.id());
    assert_eq!(
        second.1.draw.drawn.load().unwrap() * 2,
        second.1.twice.load().unwrap()
    );
}

#[test]
fn another_question_is_another_plan() {
    let (_folder, store) = scratch();
    let run = Run::new(Realize::new(&store));
    run.realize(&drawn("a")).unwrap();
    let again = || Run::again(Realize::new(&store), run.answers());
    let other = again().realize(&doubled("a")).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Plan);
    assert_says(
        &other,
        &[
            "the plan differs: it asks for the results of `twice`, where it asked for the results of `draw` before",
        ],
    );
    let file = again().file("notes.txt").unwrap_err();
    assert_says(
        &file,
        &["it asks for the file notes.txt, where it asked for"],
    );
    let repeated = again();
    repeated.realize(&drawn("a")).unwrap();
    let more = repeated.realize(&drawn("b")).unwrap_err();
    assert_says(&more, &["for which it did not ask before"]);
}

#[test]
fn a_dry_run_answers_from_the_store_or_not_at_all() {
    let (_folder, store) = scratch();
    let looking = Run::looking(Realize::new(&store));
    let error = experiment(&looking).unwrap_err();
    let error = error.downcast::<pylightnix::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Undecided);
    assert_eq!(error.message(), "the rest is decided when `draw` is known");
    let asked = looking.asked();
    assert_eq!(
        asked.iter().map(|dref| dref.id()).collect::<Vec<_>>(),
        [drawn("first").id()]
    );
    assert!(looking.undecided().is_some());

    store.realize(&drawn("first")).unwrap();
    let looking = Run::looking(Realize::new(&store));
    let (twice, _) = experiment(&looking).unwrap();
    assert_eq!(twice.id(), doubled("first").id());
    assert!(looking.undecided().is_none());
    assert_eq!(store.rrefs_of(twice.id()).unwrap().len(), 0);
    // What is to be forced is not known.
    let looking = Run::looking(Realize::new(&store).force(drawn("first")));
    experiment(&looking).unwrap_err();
    // A function that does not pass the error on made another plan.
    let looking = Run::looking(Realize::new(&store));
    let _ = looking.realize(&drawn("second"));
    assert!(looking.undecided().is_some());
}

#[test]
fn answers_say_what_was_asked() {
    let (folder, store) = scratch();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "one").unwrap();
    let run = Run::new(Realize::new(&store));
    run.begin("report");
    let file = run.file(&path).unwrap();
    let rref = run.realize(&drawn("a")).unwrap();
    let answers = run.answers();
    assert_eq!(answers.targets().collect::<Vec<_>>(), ["report"]);
    let [
        Answer::File {
            path: asked, tree, ..
        },
        Answer::Realize { chosen },
    ] = answers.of("report")
    else {
        panic!("{answers:?}")
    };
    assert_eq!(asked.as_str(), path.to_str().unwrap());
    assert!(file.config_json().text().contains(tree.as_str()));
    assert_eq!(
        (&chosen[0].dref, &chosen[0].rrefs[..]),
        (drawn("a").id(), &[rref.id().clone()][..])
    );
}

#[test]
fn a_failing_question_ends_the_run() {
    let (_folder, store) = scratch();
    let failing = drawn("a").with_realizer("fails", |_| Err::<(), _>("no luck"));
    let result: Result<RRef<Draw>> = Realize::new(&store).evaluate(|run| {
        run.realize(&failing)?;
        Ok(drawn("b"))
    });
    let error = result.unwrap_err().downcast::<pylightnix::Error>().unwrap();
    assert_says(&error, &["no luck"]);
    assert_eq!(store.rrefs_of(drawn("b").id()).unwrap().len(), 0);
}
