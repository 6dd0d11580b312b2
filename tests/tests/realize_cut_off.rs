//! Cut-off by what was read: which results are carried into a new context, and which are not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::config::RRefId;
use pylightnix::plan::matcher;
use pylightnix::prelude::*;
use pylightnix::realize::{Action, Report};
use pylightnix::store::{BuildKind, BuildRecord};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tests::runs::{Told, done, scratch};

/// A table, and a log that differs in each run.
#[derive(Config)]
struct Clean {
    #[selfref("table.csv")]
    table: SelfRef<Text>,
    #[selfref("log.txt")]
    log: SelfRef<Text>,
}

#[stage]
fn clean(b: &Build<Clean>) -> Result<CleanOutputs> {
    Ok(CleanOutputs {
        table: b.table.save("1,2")?,
        log: b.log.save(&unique())?,
    })
}

/// Returns another text each time.
fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("run {}\n", COUNT.fetch_add(1, SeqCst))
}

/// Reads the table, and not the log.
#[derive(Config)]
struct Train {
    #[selfref("model.txt")]
    model: SelfRef<Text>,
    #[dref]
    clean: DRef<Clean>,
}

#[stage]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    use std::io::Write as _;
    writeln!(b.log(), "training")?;
    Ok(TrainOutputs {
        model: b.model.save(&format!("of {}", b.clean.table.load()?))?,
    })
}

/// Reads the model, and the table below it.
#[derive(Config)]
struct Score {
    #[selfref("score.txt")]
    score: SelfRef<Text>,
    #[dref]
    train: DRef<Train>,
}

#[stage]
fn score(b: &Build<Score>) -> Result<ScoreOutputs> {
    let (model, table) = (b.train.model.load()?, b.train.clean.table.load()?);
    Ok(ScoreOutputs {
        score: b.score.save(&(model + &table))?,
    })
}

/// Returns `clean`, of which the latest result is taken.
fn cleaned() -> DRef<Clean> {
    instantiate(Clean::new()).unwrap().latest()
}

/// Returns `clean` with other code, which writes `table`.
fn cleaned_as(table: &'static str) -> DRef<Clean> {
    cleaned().with_realizer(table, move |b| {
        done((b.table.save(table)?, b.log.save(&unique())?))
    })
}

fn trained(clean: &DRef<Clean>) -> DRef<Train> {
    instantiate(Train::new(clean.clone())).unwrap()
}

fn scored(clean: &DRef<Clean>) -> DRef<Score> {
    instantiate(Score::new(trained(clean))).unwrap()
}

/// Runs `clean` again, and then what has to run.
fn run_again<T: pylightnix::plan::Target>(store: &Store, target: &T) -> (T::Output, Report) {
    let run = Realize::new(store).jobs(1).force(cleaned());
    run.run_reporting(target).unwrap()
}

fn numbers(report: &Report) -> [usize; 3] {
    [report.built, report.carried, report.reused]
}

#[test]
fn a_log_beside_a_model_makes_nothing_run() {
    let (_folder, store) = scratch();
    let score = scored(&cleaned());
    let first = store.realize(&score).unwrap();
    let told = Told::default();
    let run = Realize::new(&store).jobs(1).force(cleaned());
    let (second, report) = run.observer(&told).run_reporting(&score).unwrap();
    assert_eq!(numbers(&report), [1, 2, 0]);
    assert_eq!(
        report.to_string(),
        "1 of 3 stages built in 1 run, 2 carried, 0 reused"
    );
    // What is above a carried stage is decided with the carried reference.
    assert_ne!(first.train.id(), second.train.id());
    assert_ne!(first.id(), second.id());
    assert_eq!(second.context().collect::<Vec<_>>(), [second.train.id()]);
    let logs = [&first, &second].map(|score| score.train.clean.log.load().unwrap());
    assert_ne!(logs[0], logs[1]);
    assert_eq!(second.score.load().unwrap(), "of 1,21,2");
    assert_eq!(
        told.of("carried"),
        [
            "carried train 1: `clean` was made again with the same `table.csv`",
            "carried score 1: `train` was made again with the same `model.txt`",
        ]
    );
    // The next run has nothing to do.
    let (third, report) = Realize::new(&store).run_reporting(&score).unwrap();
    assert_eq!((third.id(), numbers(&report)), (second.id(), [0, 0, 3]));
}

#[test]
fn another_table_makes_what_read_it_run() {
    let (_folder, store) = scratch();
    store.realize(&scored(&cleaned_as("1,2"))).unwrap();
    let (score, report) = Realize::new(&store)
        .run_reporting(&scored(&cleaned_as("3")))
        .unwrap();
    assert_eq!(numbers(&report), [3, 0, 0]);
    assert_eq!(score.score.load().unwrap(), "of 33");
    // Back again: a context in which all is the same is there already.
    let (_, report) = Realize::new(&store)
        .run_reporting(&scored(&cleaned_as("1,2")))
        .unwrap();
    assert_eq!(numbers(&report), [0, 0, 3]);
    // Other code with the same table.
    let clean = cleaned().with_realizer("another way to the same", |b| {
        done((b.table.save("1,2")?, b.log.save(&unique())?))
    });
    let (_, report) = Realize::new(&store).run_reporting(&scored(&clean)).unwrap();
    assert_eq!(numbers(&report), [1, 2, 0]);
}

#[test]
fn the_record_names_the_build_whose_work_it_is() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    let (second, _) = run_again(&store, &train);
    let (third, _) = run_again(&store, &train);
    let [old] = first.builds() else { panic!() };
    for carried in [&second, &third] {
        let [new] = carried.builds() else { panic!() };
        let whose = new.carried.as_ref().unwrap();
        assert_eq!((&whose.from, whose.build), (first.id(), old.id));
        assert!(whose.time > old.stop && new.id != old.id);
        assert_eq!(
            (new.kind, new.start, new.stop),
            (BuildKind::Build, old.start, old.stop)
        );
        assert_eq!(
            (&new.reads, new.index, new.of),
            (&old.reads, Some(0), Some(1))
        );
        let folder = store.realization(carried.id()).unwrap().folder();
        let log = fs::read_to_string(folder.join(format!("build-{}.log", new.id)));
        assert_eq!(log.unwrap(), "training\n");
    }
}

#[test]
fn a_carried_result_is_whole_without_the_old_one() {
    let (_folder, store) = scratch();
    let score = scored(&cleaned());
    let first = store.realize(&score).unwrap();
    let (second, _) = run_again(&store, &score);
    for old in [first.id(), first.train.id(), first.train.clean.id()] {
        store.remove(old).with_dependents().force().run().unwrap();
    }
    let report = store.check().run().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let (again, report) = Realize::new(&store).run_reporting(&score).unwrap();
    assert_eq!((again.id(), numbers(&report)), (second.id(), [0, 0, 3]));
    assert_eq!(again.score.load().unwrap(), "of 1,21,2");
    // It is carried further.
    let (_, report) = run_again(&store, &score);
    assert_eq!(numbers(&report), [1, 2, 0]);
    assert!(store.why(second.id()).unwrap().carried.is_none());
}

#[test]
fn what_cannot_be_carried_runs() {
    let (_folder, store) = scratch();
    let clean = cleaned();
    let train = trained(&clean);
    store.realize(&train).unwrap();
    // By options.
    let (_, report) = Realize::new(&store)
        .force(&clean)
        .no_cut_off()
        .run_reporting(&train)
        .unwrap();
    assert_eq!(numbers(&report), [2, 0, 0]);
    let (_, report) = Realize::new(&store)
        .force_all()
        .run_reporting(&train)
        .unwrap();
    assert_eq!(numbers(&report), [2, 0, 0]);
    // By what the stage looks at.
    for (label, look) in LOOKS {
        let train = train.clone().with_realizer(label, look);
        store.realize(&train).unwrap();
        let (_, report) = run_again(&store, &train);
        assert_eq!(numbers(&report), [2, 0, 0], "{label}");
    }
    // By its code.
    let (_, report) = run_again(
        &store,
        &train.with_realizer("other code", |b| {
            done(b.model.save(&b.clean.table.load()?)?)
        }),
    );
    assert_eq!(numbers(&report), [2, 0, 0]);
}

/// A realizer of `train`.
type Look = fn(&Build<Train>) -> Result<(), pylightnix::BoxError>;

/// Ways to look at more than the table.
const LOOKS: [(&str, Look); 5] = [
    ("the log", |b| done(b.model.save(&b.clean.log.load()?)?)),
    ("the folder", |b| {
        let text = fs::read_to_string(b.clean.path().join("table.csv"))?;
        done(b.model.save(&text)?)
    }),
    ("a path", |b| {
        let text = fs::read_to_string(b.clean.table.path())?;
        done(b.model.save(&text)?)
    }),
    ("the reference", |b| {
        let _ = b.clean.id();
        done(b.model.save("model")?)
    }),
    ("the builds", |b| {
        let _ = b.clean.built_at();
        done(b.model.save("model")?)
    }),
];

#[test]
fn what_looks_at_nothing_is_carried_always() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned()).with_realizer("nothing", |b| done(b.model.save("model")?));
    store.realize(&train).unwrap();
    let told = Told::default();
    let run = Realize::new(&store).force(cleaned()).observer(&told);
    let (_, report) = run.run_reporting(&train).unwrap();
    assert_eq!(numbers(&report), [1, 1, 0]);
    assert_eq!(
        told.of("carried"),
        ["carried train 1: `clean` was made again, and nothing of it is read"]
    );
}

#[test]
fn a_record_without_reads_is_not_carried() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    edit_records(&store, first.id(), |record| {
        record.as_object_mut().unwrap().remove("reads");
    });
    let (_, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [2, 0, 0]);
    // Nor one with a kind of read that this version does not know.
    let (_, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [1, 1, 0]);
    for realization in store.realizations_of(train.id()).unwrap() {
        edit_records(&store, &realization.id, |record| {
            if let Some(read) = record.get_mut("reads").map(|reads| &mut reads[0]) {
                read["smell"] = true.into();
            }
        });
    }
    let (_, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [2, 0, 0]);
}

/// Asks how many there are, and whether one failed.
#[derive(Config)]
struct Counts {
    #[selfref("count.json")]
    count: SelfRef<Json<usize>>,
    #[dref]
    cleans: Option<DRef<Clean, Many>>,
    #[dref]
    clean: Option<DRef<Clean, Try<One>>>,
}

#[stage]
fn counts(b: &Build<Counts>) -> Result<CountsOutputs> {
    let count = b.cleans.as_ref().map_or(0, Vec::len);
    Ok(CountsOutputs {
        count: b
            .count
            .save(&(count + usize::from(matches!(b.clean, Some(Ok(_))))))?,
    })
}

#[test]
fn numbers_and_outcomes_are_told() {
    let (_folder, store) = scratch();
    let latest = instantiate(Clean::new()).unwrap().latest_n(1);
    let many = instantiate(Counts::new(Some(latest), None)).unwrap();
    let one = instantiate(Counts::new(None, Some(cleaned().or_failure()))).unwrap();
    let told = |counts: &DRef<Counts>| {
        store.realize(counts).unwrap();
        let told = Told::default();
        let run = Realize::new(&store).force(cleaned()).observer(&told);
        let (_, report) = run.run_reporting(counts).unwrap();
        assert_eq!(numbers(&report), [1, 1, 0]);
        told.of("carried")
    };
    assert_eq!(
        told(&many),
        ["carried counts 1: `clean` was made again with as many results"]
    );
    assert_eq!(
        told(&one),
        ["carried counts 1: `clean` was made again with the same outcome"]
    );
}

/// Copies the table, by its path.
#[derive(Config)]
struct Copy {
    #[dref]
    table: RefPath<Text>,
}

#[stage(reads = artifacts)]
fn copy(b: &Build<Copy>) -> Result<()> {
    fs::copy(&b.table, b.path().join("copy"))?;
    Ok(())
}

/// Reads what the library does not see.
#[derive(Config)]
struct Finds {
    #[dref]
    clean: DRef<Clean>,
}

#[stage(reads = all)]
fn finds(b: &Build<Finds>) -> Result<()> {
    b.clean.table.load()?;
    Ok(())
}

#[test]
fn a_stage_may_promise_to_keep_to_the_artifacts_of_its_paths() {
    let (_folder, store) = scratch();
    let copy = instantiate(Copy::new(cleaned().table.clone())).unwrap();
    store.realize(&copy).unwrap();
    let told = Told::default();
    let run = Realize::new(&store).force(cleaned()).observer(&told);
    let (_, report) = run.run_reporting(&copy).unwrap();
    assert_eq!(numbers(&report), [1, 1, 0]);
    assert_eq!(
        told.of("carried"),
        ["carried copy 1: `clean` was made again with the same `table.csv`"]
    );
    // Another table is another.
    let other = cleaned_as("3,4");
    let other = instantiate(Copy::new(other.table.clone())).unwrap();
    let (_, report) = Realize::new(&store).run_reporting(&other).unwrap();
    assert_eq!(numbers(&report), [2, 0, 0]);
}

#[test]
fn a_promise_that_is_taken_back_holds_for_no_result() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    // As if the stage had promised it then.
    edit_records(&store, first.id(), |record| {
        let read = record["reads"][0].as_object_mut().unwrap();
        let artifacts = read.remove("artifacts").unwrap();
        read.insert("paths".to_owned(), artifacts);
    });
    let (_, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [2, 0, 0]);
}

#[test]
fn a_stage_that_reads_all_is_not_carried() {
    let (_folder, store) = scratch();
    let finds = instantiate(Finds::new(cleaned())).unwrap();
    let first = store.realize(&finds).unwrap();
    assert_eq!(first.builds()[0].reads, None);
    // As if it had not said so then.
    edit_records(&store, first.id(), |record| {
        record["reads"] = serde_json::json!([]);
    });
    assert!(first.builds()[0].reads.is_none());
    let (second, report) = run_again(&store, &finds);
    assert_eq!(numbers(&report), [2, 0, 0]);
    assert_ne!(first.id(), second.id());
}

/// Changes the build records of a realization in the store.
fn edit_records(store: &Store, rref: &RRefId, edit: impl Fn(&mut serde_json::Value)) {
    let folder = store.realization(rref).unwrap().folder();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("build-") && Path::new(name).extension().is_some_and(|it| it == "json")
        {
            let mut record = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            edit(&mut record);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        }
    }
}

/// A stage with several runs.
#[derive(Config)]
struct Draw {
    #[selfref("drawn.txt")]
    out: SelfRef<Text>,
    #[dref]
    clean: DRef<Clean>,
}

#[stage(nouts = 3, matcher = latest())]
fn draw(b: &Build<Draw>) -> Result<DrawOutputs> {
    let _ = b.clean.table.load()?;
    Ok(DrawOutputs {
        out: b.out.save(&format!("{} of {}", b.index(), unique()))?,
    })
}

#[test]
fn several_runs_are_carried_with_their_indices_and_times() {
    let (_folder, store) = scratch();
    let clean = cleaned();
    let draw = instantiate(Draw::new(clean.clone())).unwrap();
    let latest = draw.clone();
    let draw = draw.with_matcher(matcher::all());
    let old = store.realize(&draw).unwrap();
    let (new, report) = run_again(&store, &draw);
    assert_eq!((numbers(&report), report.runs), ([1, 1, 0], 1));
    let texts = |runs: &[RRef<Draw>]| {
        let mut texts: Vec<_> = runs.iter().map(|run| run.out.load().unwrap()).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(&old), texts(&new));
    let runs = |runs: &[RRef<Draw>]| {
        let of = |run: &RRef<Draw>| {
            let [build] = run.builds() else { panic!() };
            (run.out.load().unwrap(), build.index, build.of, build.stop)
        };
        let mut runs: Vec<_> = runs.iter().map(of).collect();
        runs.sort();
        runs
    };
    assert_eq!(runs(&old), runs(&new));
    // A matcher chooses among what it chose among there.
    let chosen = store.realize(&latest).unwrap().out.load().unwrap();
    let newest = old.iter().max_by_key(|run| run.built_at()).unwrap();
    assert_eq!(chosen, newest.out.load().unwrap());
    // One that wants more gets more.
    let more = draw.with_matcher(matcher::some(5));
    let (five, report) = Realize::new(&store)
        .force(&clean)
        .run_reporting(&more)
        .unwrap();
    assert_eq!(five.len(), 5);
    assert_eq!(report.runs, 1 + 3, "one build has three runs");
}

/// A stage that may fail.
#[derive(Config)]
struct Fit {
    #[selfref("fit.txt")]
    out: SelfRef<Text>,
    #[dref]
    clean: DRef<Clean>,
}

#[stage(fallible)]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    let _ = b.clean.table.load()?;
    Err("it diverged".into())
}

#[test]
fn a_failure_is_carried_unless_failures_are_tried_again() {
    let (_folder, store) = scratch();
    let fit = instantiate(Fit::new(cleaned())).unwrap();
    store.realize(&fit).unwrap().unwrap_err();
    let (again, report) = run_again(&store, &fit);
    assert_eq!(again.unwrap_err().text(), "it diverged");
    assert_eq!((numbers(&report), report.failures), ([1, 1, 0], 1));
    let run = Realize::new(&store).force(cleaned()).retry_failed();
    let (_, report) = run.run_reporting(&fit).unwrap();
    assert_eq!(numbers(&report), [2, 0, 0]);
}

/// A stage that depends on one that may fail.
#[derive(Config)]
struct After {
    #[selfref("after.txt")]
    out: SelfRef<Text>,
    #[dref]
    fit: DRef<Fit, Try<One>>,
}

#[stage]
fn after(b: &Build<After>) -> Result<AfterOutputs> {
    let text = match &b.fit {
        Ok(fit) => fit.out.load()?,
        Err(failure) => failure.text().to_owned(),
    };
    Ok(AfterOutputs {
        out: b.out.save(&text)?,
    })
}

#[test]
fn whether_a_dependency_failed_and_why_is_read() {
    let (_folder, store) = scratch();
    let fit = instantiate(Fit::new(cleaned())).unwrap();
    let plan = |label: &'static str, text: &'static str| {
        let fit = fit
            .clone()
            .with_realizer(label, move |_| Err::<(), _>(text));
        instantiate(After::new(fit)).unwrap()
    };
    store.realize(&plan("one", "too hot")).unwrap();
    let (after, report) = Realize::new(&store)
        .run_reporting(&plan("two", "too cold"))
        .unwrap();
    assert_eq!(
        (after.out.load().unwrap().as_str(), numbers(&report)),
        ("too cold", [2, 0, 1])
    );
    // The same failure, in another context: of a result of `clean` that is another.
    let plan = plan("two", "too cold");
    let run = Realize::new(&store).force(cleaned());
    let (_, report) = run.run_reporting(&plan).unwrap();
    // `fit` looks at nothing, and is carried.
    assert_eq!(numbers(&report), [1, 2, 0]);
}

#[test]
fn what_is_read_may_depend_on_what_was_read() {
    let (_folder, store) = scratch();
    let look = |b: &Build<Train>| -> Result<(), pylightnix::BoxError> {
        let table = b.clean.table.load()?;
        let rest = match table.as_str() {
            "0" => String::new(),
            _ => b.clean.log.load()?,
        };
        done(b.model.save(&(table + &rest))?)
    };
    let plan = |clean: DRef<Clean>| trained(&clean).with_realizer("looks twice", look);
    store.realize(&plan(cleaned_as("0"))).unwrap();
    let run = Realize::new(&store).force(cleaned());
    let (_, report) = run.run_reporting(&plan(cleaned_as("0"))).unwrap();
    assert_eq!(numbers(&report), [1, 1, 0]);
    store.realize(&plan(cleaned_as("1"))).unwrap();
    let run = Realize::new(&store).force(cleaned());
    let (_, report) = run.run_reporting(&plan(cleaned_as("1"))).unwrap();
    assert_eq!(numbers(&report), [2, 0, 0]);
}

#[test]
fn a_plan_foresees_what_will_be_carried() {
    let (_folder, store) = scratch();
    let score = scored(&cleaned());
    store.realize(&score).unwrap();
    let plan = Realize::new(&store).force(cleaned()).plan(&score).unwrap();
    let text = plan.to_string();
    assert!(
        text.contains("carried if `clean` comes out as before"),
        "{text}"
    );
    assert!(
        text.contains("carried if `train` comes out as before"),
        "{text}"
    );
    // `clean` is made again by itself.
    Realize::new(&store)
        .force(cleaned())
        .run(&cleaned())
        .unwrap();
    let plan = store.plan(&score).unwrap();
    let step = plan.step(trained(&cleaned())).unwrap();
    let Action::Carry { from, why } = &step.action else {
        panic!("{step}")
    };
    assert_eq!(from.len(), 1);
    assert_eq!(
        why.reason(),
        "`clean` was made again with the same `table.csv`"
    );
    assert!(!plan.is_done());
    let text = plan.to_string();
    assert!(text.contains("carry   "), "{text}");
    // What is not realized is said to be so.
    let error = Realize::new(&store).realized(&score).unwrap_err();
    let report = format!("{error:?}");
    assert!(
        report.contains("would be carried from another context"),
        "{report}"
    );
    // A stage that will read another table is not foreseen to be carried.
    let plan = Realize::new(&store).no_cut_off().plan(&score).unwrap();
    assert!(!plan.to_string().contains("carr"), "{plan}");
    let (_, report) = Realize::new(&store).run_reporting(&score).unwrap();
    assert_eq!(numbers(&report), [0, 2, 1]);
    assert_eq!(
        report.to_string(),
        "nothing to build: 2 of 3 stages carried, 1 reused"
    );
}

#[test]
fn stepping_pauses_before_what_would_be_carried() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    let mut stepping = Realize::new(&store)
        .force(cleaned())
        .step(train.clone())
        .unwrap();
    let paused = stepping.run_next().unwrap().unwrap();
    assert!(paused.carried.is_none());
    let paused = stepping.next_to_build().unwrap().unwrap();
    let text = paused.to_string();
    assert!(
        text.contains("carried: `clean` was made again with the same `table.csv`"),
        "{text}"
    );
    stepping.run_next().unwrap().unwrap();
    let second = stepping.run_all().unwrap();
    assert!(second.builds()[0].carried.is_some());
    // `take` makes it anew.
    let mut stepping = Realize::new(&store)
        .force(cleaned())
        .step(train.clone())
        .unwrap();
    let b = stepping.take(&train).unwrap();
    assert_eq!(b.clean.table.load().unwrap(), "1,2");
    b.discard();
    let third = stepping.run_all().unwrap();
    assert_ne!(first.id(), third.id());
}

#[test]
fn why_says_what_was_carried() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    let (second, _) = run_again(&store, &train);
    let why = store.why(&second).unwrap();
    assert_eq!(
        why.in_short(),
        "carried: `clean` was made again with the same `table.csv`"
    );
    let text = why.to_string();
    assert!(text.contains(&format!("from {}", first.id())), "{text}");
}

#[test]
fn results_come_from_one_context_that_is_whole() {
    let (_folder, store) = scratch();
    let draw = instantiate(Draw::new(cleaned())).unwrap();
    // A build of three runs, of which the last fails.
    let failing = draw.clone().with_realizer("some fail", |b| {
        let _ = b.clean.table.load()?;
        match b.index() {
            2 => Err(pylightnix::BoxError::from("no luck")),
            index => Ok(done(b.out.save(&index.to_string())?)?),
        }
    });
    Realize::new(&store).jobs(1).run(&failing).unwrap_err();
    assert_eq!(store.rrefs_of(draw.id()).unwrap().len(), 2);
    let run = Realize::new(&store).jobs(1).force(cleaned());
    run.run(&failing).unwrap_err();
    // Nothing was carried: those were made.
    assert_eq!(store.rrefs_of(draw.id()).unwrap().len(), 4);
    let all = store.realizations_of(draw.id()).unwrap();
    let builds = |it: &pylightnix::store::Realization| it.builds().to_vec();
    let builds: Vec<BuildRecord> = all.iter().flat_map(builds).collect();
    assert!(builds.iter().all(|build| build.carried.is_none()));
}

#[test]
fn accepted_results_are_carried() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    store.realize(&train).unwrap();
    let faster = train.with_realizer("a faster loop", |b| {
        done(b.model.save(&format!("of {}", b.clean.table.load()?))?)
    });
    store.accept(&faster).unwrap();
    let (second, report) = run_again(&store, &faster);
    assert_eq!(numbers(&report), [1, 1, 0]);
    let kinds: Vec<_> = second.builds().iter().map(|build| build.kind).collect();
    assert_eq!(kinds, [BuildKind::Build, BuildKind::Accept]);
}

#[test]
fn what_was_made_by_hand_is_not_carried() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let mut stepping = store.step(train.clone()).unwrap();
    let mut b = stepping.take(&train).unwrap();
    let model = b.model.save("by hand").unwrap();
    b.finish(TrainOutputs { model }).unwrap();
    stepping.run_all().unwrap();
    let (made, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [2, 0, 0]);
    assert_eq!(made.model.load().unwrap(), "of 1,2");
}

#[test]
fn nothing_is_needed_to_carry_a_stage() {
    struct Verbosity;
    #[derive(Config)]
    struct Costly {
        #[selfref("out.txt")]
        out: SelfRef<Text>,
        #[dref]
        clean: DRef<Clean>,
    }
    #[stage(args(Verbosity), resources(gpu = 1))]
    fn costly(b: &Build<Costly>) -> Result<CostlyOutputs> {
        Ok(CostlyOutputs {
            out: b.out.save(&b.clean.table.load()?)?,
        })
    }
    let (_folder, store) = scratch();
    let plan = instantiate(Costly::new(cleaned())).unwrap();
    let run = Realize::new(&store).arg(Verbosity).resource("gpu", 1);
    run.run(&plan).unwrap();
    Realize::new(&store)
        .force(cleaned())
        .run(&cleaned())
        .unwrap();
    let (_, report) = Realize::new(&store).run_reporting(&plan).unwrap();
    assert_eq!(numbers(&report), [0, 1, 1]);
}

#[test]
fn a_damaged_result_is_made_again() {
    let (_folder, store) = scratch();
    let train = trained(&cleaned());
    let first = store.realize(&train).unwrap();
    let model = first.model.path().to_owned();
    let out = model.parent().unwrap();
    fs::set_permissions(out, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&model).unwrap();
    let (second, report) = run_again(&store, &train);
    assert_eq!(numbers(&report), [2, 0, 0]);
    assert_eq!(second.model.load().unwrap(), "of 1,2");
}

#[test]
fn the_newest_of_many_contexts_is_taken() {
    let (_folder, store) = scratch();
    // Twenty tables, each once, and then the first again: 16 contexts are looked at.
    for table in 0..20 {
        let table: &'static str = Box::leak(table.to_string().into_boxed_str());
        store.realize(&trained(&cleaned_as(table))).unwrap();
    }
    let again = |table: &'static str, label| {
        let clean = cleaned().with_realizer(label, move |b| {
            done((b.table.save(table)?, b.log.save(&unique())?))
        });
        let (_, report) = Realize::new(&store)
            .run_reporting(&trained(&clean))
            .unwrap();
        report.carried
    };
    assert_eq!(again("19", "again 19"), 1);
    assert_eq!(again("5", "again 5"), 1);
    assert_eq!(again("0", "again 0"), 0);
}
