//! Series of numbers that stages record: they are kept with the build, come along, are drawn, and count nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use pylightnix::config::RRefId;
use pylightnix::plan::Limits;
use pylightnix::prelude::{Result, *};
use pylightnix::realize::Event;
use pylightnix::store::{RecordedSeries, Store};
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tests::line::Line;
use tests::runs::scratch;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");

/// A stage whose code is given by the tests.
#[derive(Config)]
struct Train {
    #[selfref("loss.json")]
    loss: SelfRef<Json<f64>>,
    title: String,
}

#[stage]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    Ok(TrainOutputs {
        loss: b.loss.save(&0.5)?,
    })
}

fn of(title: &str) -> DRef<Train> {
    instantiate(Train::new(title.to_owned())).unwrap()
}

fn recording<F>(title: &str, record: F) -> DRef<Train>
where
    F: Fn(&Build<Train>) -> Result<()> + Send + Sync + 'static,
{
    of(title).with_realizer("recording", move |b| -> Result<TrainOutputs> {
        record(b)?;
        train(b)
    })
}

fn recorded(store: &Store, plan: &DRef<Train>) -> Vec<RecordedSeries> {
    store.series(store.realize(plan).unwrap()).unwrap()
}

/// Records a loss that falls.
fn falls(b: &Build<Train>) -> Result<()> {
    for step in 0..20 {
        b.record("loss", step, 1. / (step as f64 + 1.))?;
    }
    Ok(())
}

#[test]
fn they_are_kept_beside_the_result_and_are_no_part_of_it() {
    let (_folder, store) = scratch();
    let (_other, other) = scratch();
    let without = other.realize(&recording("a", |_| Ok(()))).unwrap();
    let with = store.realize(&recording("a", falls)).unwrap();
    assert_eq!(with.id(), without.id());
    assert_eq!(other.series(&without).unwrap(), []);
    let [loss] = &store.series(&with).unwrap()[..] else {
        panic!("one series");
    };
    assert_eq!(
        (loss.name.as_str(), loss.count, loss.step),
        ("loss", 20, 19)
    );
    assert_eq!((loss.last, loss.range), (0.05, Some((0.05, 1.))));
    assert_eq!(loss.points.len(), 20);
    assert_eq!(loss.points[3], (3, 0.25));
    // What holds them is no build, whoever looks.
    let realization = store.realization(&with).unwrap();
    assert_eq!(
        (realization.build_count(), realization.builds().len()),
        (1, 1)
    );
    assert!(realization.remarks().is_empty());
    let listed = store.realizations_of(with.id().dref()).unwrap();
    assert_eq!(listed[0].build_count(), 1);
    assert!(store.check().contents().run().unwrap().is_sound());
    // Whoever comes next reuses the result.
    let (_, report) = Realize::new(&store)
        .run_reporting(&recording("a", falls))
        .unwrap();
    assert_eq!((report.built, report.reused), (0, 1));
}

#[test]
fn all_numbers_and_names_are_kept_whole() {
    let (_folder, store) = scratch();
    let odd = ["a b", "\u{1b}[31m\"\\\n", "\u{e9}\u{202e}x", "loss/train.1"];
    let plan = recording("odd", move |b| {
        for name in odd {
            b.record(name, 7, 1_f32)?;
        }
        for (step, value) in [
            (5, 1.),
            (3, f64::NAN),
            (9, f64::INFINITY),
            (3, 2.),
            (4, -7.),
        ] {
            b.record("steps", step, value)?;
        }
        b.record("nan", u64::MAX, f64::NAN)?;
        for name in ["", &"x".repeat(2000)] {
            let error = b.record(name, 0, 0.).unwrap_err();
            assert!(error.to_string().contains("cannot have a name"), "{error}");
        }
        Ok(())
    });
    let series = recorded(&store, &plan);
    for name in odd {
        assert!(series.iter().any(|series| series.name == name), "{name:?}");
    }
    let of = |name: &str| series.iter().find(|series| series.name == name).unwrap();
    let steps = of("steps");
    assert_eq!(
        steps.points,
        [(3, 2.), (4, -7.), (5, 1.), (9, f64::INFINITY)]
    );
    assert_eq!((steps.count, steps.step, steps.last), (5, 9, f64::INFINITY));
    assert_eq!(steps.range, Some((-7., 2.)));
    assert_eq!(of("nan").range, None);
    assert!(of("nan").last.is_nan());
    assert_eq!(of("nan").sparkline(8), "·");
}

#[test]
fn very_many_are_read_as_a_sample() {
    let (_folder, store) = scratch();
    let plan = recording("many", |b| {
        for step in 0..100_000 {
            b.record("long", step, step as f64)?;
        }
        for name in 0..3000 {
            b.record(&format!("name {name}"), 0, f64::from(name))?;
        }
        Ok(())
    });
    let series = recorded(&store, &plan);
    assert_eq!(series.len(), 3001);
    let long = &series[0];
    assert_eq!(
        (long.count, long.step, long.last),
        (100_000, 99_999, 99_999.)
    );
    assert_eq!(long.range, Some((0., 99_999.)));
    assert!(long.points.len() < 10_000, "{}", long.points.len());
    assert_eq!(long.points[0], (0, 0.));
    assert_eq!(long.points.last(), Some(&(99_999, 99_999.)));
    // The sample is even.
    let gap = |two: &[(u64, f64)]| two[1].0 - two[0].0;
    let gaps: Vec<u64> = long.points.windows(2).map(gap).collect();
    assert!(gaps.iter().max() <= Some(&32), "{:?}", gaps.iter().max());
    assert_eq!(long.sparkline(8), "▁▂▃▄▅▆▇█");
    let mut table = store.compare([&store.realize(&plan).unwrap()]).unwrap();
    assert!(table.columns.len() < 300);
    table.retain("long > 99998").unwrap();
    assert_eq!(table.rows.len(), 1);
}

#[test]
fn threads_record_whole_lines() {
    let (_folder, store) = scratch();
    let plan = recording("threads", |b| {
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                scope.spawn(move || {
                    for step in 0..500 {
                        let name = format!("thread {thread}");
                        b.record(&name, step, (thread * step) as f64).unwrap();
                    }
                });
            }
        });
        Ok(())
    });
    let series = recorded(&store, &plan);
    assert_eq!(series.len(), 8);
    for series in series {
        assert_eq!((series.count, series.points.len()), (500, 500));
    }
}

#[test]
fn of_several_tries_the_last_one_counts_and_failed_builds_keep_theirs() {
    let (_folder, store) = scratch();
    let tries = Mutex::new(0);
    let plan = recording("tries", move |b| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        b.record("loss", *tries, *tries as f64)?;
        match *tries {
            3 => Ok(()),
            _ => Err("once more".into()),
        }
    });
    let plan = plan.with_limits(Limits::new().retries(2));
    let run = Realize::new(&store).retry_wait(Duration::ZERO);
    let made = run.run(&plan).unwrap();
    assert_eq!(store.series(&made).unwrap()[0].points, [(3, 3.)]);

    let plan = recording("fails", |b| {
        b.record("loss", 1, 0.5)?;
        panic!("it fails")
    });
    let error = store.realize(&plan).unwrap_err();
    let failed = store.failed_builds().unwrap();
    let kept = failed[0].folder.join("series.jsonl");
    let text = fs::read_to_string(kept).unwrap_or_else(|io| panic!("{io}: {error:?}"));
    assert_eq!(text, "[\"loss\",1,0.5]\n");
}

/// A stage whose failure is a result.
#[derive(Config)]
struct Fallible {}

#[stage(fallible)]
fn fallible(b: &Build<Fallible>) -> Result<()> {
    b.record("loss", 3, f64::NAN)?;
    Err("it diverged".into())
}

#[test]
fn a_failure_that_is_a_result_has_its_series() {
    let (_folder, store) = scratch();
    let failed = store.realize(&instantiate(Fallible::new()).unwrap());
    assert!(failed.unwrap().is_err());
    let rref = &store.rrefs().unwrap()[0];
    assert_eq!(store.series(rref).unwrap()[0].step, 3);
}

#[test]
fn they_go_where_the_result_goes() {
    let (_folder, store) = scratch();
    let made = store.realize(&recording("a", falls)).unwrap();
    let rref: RRefId = made.id().clone();
    let wanted = store.series(&rref).unwrap();
    let (_two, two) = scratch();
    two.copy_from(&store, [&rref]).unwrap();
    let archive = two.root().join("../archive.zip");
    two.pack([&rref], &archive).unwrap();
    let (_three, three) = scratch();
    three.unpack(&archive).unwrap();
    for store in [&two, &three] {
        assert_eq!(store.series(&rref).unwrap(), wanted);
        assert!(store.check().contents().run().unwrap().is_sound());
    }
    // Of two builds of the same bytes, the newest one that recorded any.
    let again = recording("a", |b| Ok(b.record("loss", 1, 1.)?));
    Realize::new(&three).force(&again).run(&again).unwrap();
    assert_eq!(three.series(&rref).unwrap()[0].count, 1);
    let quiet = recording("a", |_| Ok(()));
    Realize::new(&three).force(&quiet).run(&quiet).unwrap();
    assert_eq!(three.series(&rref).unwrap()[0].count, 1);
    assert_eq!(three.realization(&rref).unwrap().build_count(), 3);
}

/// A stage with another log each time.
#[derive(Config)]
struct Data {
    #[selfref("table")]
    table: SelfRef<Text>,
    #[selfref("log")]
    log: SelfRef<Text>,
}

#[stage]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    Ok(DataOutputs {
        table: b.table.save("1")?,
        log: b.log.save(&b.start().to_string())?,
    })
}

/// A stage that reads a part of it, and records.
#[derive(Config)]
struct Fit {
    #[selfref("fit")]
    out: SelfRef<Text>,
    #[dref]
    data: DRef<Data>,
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    b.record("loss", 1, 0.25)?;
    Ok(FitOutputs {
        out: b.out.save(&b.data.table.load()?)?,
    })
}

#[test]
fn a_carried_result_has_the_series_of_the_build_whose_work_it_is() {
    let (_folder, store) = scratch();
    let data = instantiate(Data::new()).unwrap().latest();
    let fit = instantiate(Fit::new(data.clone())).unwrap();
    let first = store.realize(&fit).unwrap();
    for _ in 0..2 {
        let run = Realize::new(&store).force(&data);
        let (carried, report) = run.run_reporting(&fit).unwrap();
        assert_eq!((report.built, report.carried), (1, 1));
        assert_ne!(carried.id(), first.id());
        assert_eq!(
            store.series(&carried).unwrap(),
            store.series(&first).unwrap()
        );
    }
    assert!(store.check().contents().run().unwrap().is_sound());
}

#[test]
fn observers_are_told() {
    let (_folder, store) = scratch();
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Recorded { name, step, .. } = event {
            told.lock().unwrap().push(((*name).to_owned(), *step));
        }
    };
    let plan = recording("told", |b| {
        for step in 0..3000 {
            b.record("loss", step, 0.5)?;
            b.record("other", step, 0.5)?;
        }
        Ok(())
    });
    Realize::new(&store).observer(observer).run(&plan).unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!(told[0], ("loss".to_owned(), 0));
    assert!(told.iter().all(|(name, _)| name == "loss"));
    assert!(told.len() < 3000);
}

#[test]
fn the_command_line_draws_them() {
    let line = Line::empty(STORE);
    let made = [("a", 1.), ("b", 2.)].map(|(title, by)| {
        let plan = recording(title, move |b| {
            for step in 0..20 {
                b.record("curve", step, by / (step as f64 + 1.))?;
            }
            Ok(b.record("\u{1b}[2Jodd", 0, f64::NAN)?)
        });
        line.store.realize(&plan).unwrap().id().clone()
    });
    let a = made[0].to_string();
    let shown = line.out(&format!("show {a}"));
    assert!(shown.contains("\nSeries\n"), "{shown}");
    assert!(shown.contains("  curve  █▄"), "{shown}");
    assert!(
        shown.contains("0.05 at step 19, from 0.05 to 1, 20 numbers"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let json = line.json(&format!("show {a}"));
    assert_eq!(json["series"][1]["name"], "curve");
    assert_eq!(json["series"][1]["points"].as_array().unwrap().len(), 20);
    let compared = line.out("compare train --columns curve");
    assert!(
        compared.contains('█') && compared.contains("0.05"),
        "{compared}"
    );
    let csv = line.out("compare train --csv --columns curve");
    assert!(csv.contains("\"[1.0,0.5,"), "{csv}");
    let found = line.out("find -w curve<0.07");
    assert_eq!(found.lines().count(), 2, "{found}");
    let graph = line.out(&format!("graph {a}"));
    assert!(graph.contains("odd ·"), "{graph}");
    assert!(!graph.contains('\u{1b}'), "{graph:?}");
}
