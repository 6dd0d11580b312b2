//! The titles of stages with the same name, which distinguish them.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;
use pylightnix::realize::{Event, Titles};
use std::sync::Mutex;
use tests::runs::{assert_says, scratch};

/// A stage of a sweep.
#[derive(Config)]
struct Fold {
    #[selfref("n.json")]
    out: SelfRef<Json<u32>>,
    k: u32,
    #[config(default = false, unhashed)]
    fails: bool,
}

#[stage]
fn fold(b: &Build<Fold>) -> Result<FoldOutputs> {
    if b.fails {
        return Err("no fold".into());
    }
    Ok(FoldOutputs {
        out: b.out.save(&b.k)?,
    })
}

/// A stage that collects the sweep.
#[derive(Config)]
struct Total {
    #[selfref("n.json")]
    out: SelfRef<Json<u32>>,
    #[dref]
    folds: Vec<DRef<Fold>>,
}

#[stage]
fn total(b: &Build<Total>) -> Result<TotalOutputs> {
    let mut sum = 0;
    for fold in &b.folds {
        sum += fold.out.load()?;
    }
    Ok(TotalOutputs {
        out: b.out.save(&sum)?,
    })
}

fn folds(fails: &[u32]) -> Vec<DRef<Fold>> {
    let fold = |k| Fold {
        fails: fails.contains(&k),
        ..Fold::new(k)
    };
    (0..5).map(|k| instantiate(fold(k)).unwrap()).collect()
}

#[test]
fn plans_tell_stages_of_one_name_apart() {
    let (_folder, store) = scratch();
    let folds = folds(&[]);
    let plan = instantiate(Total::new(folds.clone())).unwrap();
    let text = store.plan(&plan).unwrap().to_string();
    let line = format!("build   {} (k=3): missing\n", folds[3]);
    assert!(text.contains(&line), "{text}");
    assert!(
        text.contains(&format!("build   {plan}: missing\n")),
        "{text}"
    );
    store.realize(&plan).unwrap();
    let forced = folds
        .iter()
        .fold(Realize::new(&store), |run, fold| run.force(fold));
    let text = forced.plan(&plan).unwrap().to_string();
    let later = "decided when `fold k=0`, `fold k=1`, `fold k=2` and 2 more are known";
    assert!(text.contains(later), "{text}");
    let forced = Realize::new(&store).force(&folds[4]);
    let text = forced.explain(&plan).unwrap().to_string();
    assert!(
        text.contains("when `fold k=4` is known; carried if `fold` comes out as before; from `fold k=4`: forced"),
        "{text}"
    );
}

#[test]
fn failures_say_which_stage_it_was() {
    let (_folder, store) = scratch();
    let folds = folds(&[1, 3]);
    let told = Mutex::new(Vec::new());
    let titles: Mutex<Option<Titles>> = Mutex::default();
    let observer = |event: &Event<'_>| match event {
        Event::Begun { titles: those, .. } => *titles.lock().unwrap() = Some((*those).clone()),
        Event::RunFailed { dref, error, .. } => {
            let titles = titles.lock().unwrap();
            let title = titles.as_ref().unwrap().title(dref);
            told.lock()
                .unwrap()
                .push((title, error.message().to_owned()));
        }
        _ => {}
    };
    let run = Realize::new(&store).jobs(1).keep_going().observer(observer);
    let error = run
        .run(&instantiate(Total::new(folds)).unwrap())
        .unwrap_err();
    assert_says(
        &error,
        &[
            "stage `fold k=1` failed in run 0",
            "stage `fold k=3` failed in run 0",
        ],
    );
    drop(run);
    let told = told.into_inner().unwrap();
    let said = |k| {
        (
            format!("fold k={k}"),
            format!("stage `fold k={k}` failed in run 0"),
        )
    };
    assert_eq!(told, [said(1), said(3)]);
}

/// An imported file is labelled by its path, which is not in the config.
#[test]
fn imported_files_are_told_by_their_paths() {
    let (folder, store) = scratch();
    let path = folder.path().canonicalize().unwrap().join("march.csv");
    std::fs::write(&path, "1").unwrap();
    let import = || pylightnix::stages::file(&store, &path).unwrap();
    let error = store.realized(&import()).unwrap_err();
    let called = format!("import-file {}", path.display());
    assert_says(&error, &[&format!("stage `{called}` would have to run")]);
    let first = import();
    store.realize(&first).unwrap();
    std::fs::write(&path, "22").unwrap();
    let text = store.plan(&import()).unwrap().to_string();
    assert!(
        text.contains(&format!("-import-file ({}): missing", path.display())),
        "{text}"
    );
    // Both are one file with two contents.
    let both = store.plan(&(first, import())).unwrap();
    assert_eq!(both.titles().title(&both.steps[1].dref), called);
}

#[test]
fn what_is_not_there_is_named_too() {
    let (_folder, store) = scratch();
    let error = store.realized(&folds(&[])).unwrap_err();
    assert_says(&error, &["stage `fold k=2` would have to run: missing"]);
    // A single stage is called by its name.
    let error = store.realized(&folds(&[])[2]).unwrap_err();
    assert_says(&error, &["stage `fold` would have to run: missing"]);
}
