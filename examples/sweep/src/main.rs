//! The book's sweep over a grid, and queries on its store.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use pylightnix::plan::{grid, labelled, labels, sweep};
use pylightnix::prelude::*;

// ANCHOR: descent
/// Gradient descent on a parabola, from `start`.
#[derive(Config)]
struct Descent {
    #[selfref("result.json")]
    result: SelfRef<Json<Outcome>>,
    rate: f64,
    steps: u32,
    #[config(default = 4., omit_default)]
    start: f64,
}

/// The end of a descent.
#[derive(serde::Serialize, serde::Deserialize)]
struct Outcome {
    x: f64,
    loss: f64,
}

#[stage]
fn descent(b: &Build<Descent>) -> Result<DescentOutputs> {
    let mut x = b.start;
    for _ in 0..b.steps {
        x -= b.rate * 2. * (x - 1.);
    }
    let loss = (x - 1.).powi(2);
    Ok(DescentOutputs {
        result: b.result.save(&Outcome { x, loss })?,
    })
}
// ANCHOR_END: descent

// ANCHOR: table
/// The results of many descents, one per line.
#[derive(Config)]
struct Table {
    #[selfref("table.txt")]
    table: SelfRef<Text>,
    #[dref]
    runs: BTreeMap<String, DRef<Descent>>,
}

#[stage]
fn table(b: &Build<Table>) -> Result<TableOutputs> {
    let mut table = String::new();
    for (label, run) in &b.runs {
        table += &format!("{:.3} {label}\n", run.result.load()?.loss);
    }
    Ok(TableOutputs {
        table: b.table.save(&table)?,
    })
}
// ANCHOR_END: table

// ANCHOR: report
/// A report that contains the time of its creation.
#[derive(Config)]
struct Report {
    #[selfref("report.txt")]
    report: SelfRef<Text>,
    #[dref]
    run: DRef<Descent>,
}

#[stage]
fn report(b: &Build<Report>) -> Result<ReportOutputs> {
    let made = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let loss = b.run.result.load()?.loss;
    let text = format!("loss: {loss}\nmade: {}\n", made.as_nanos());
    Ok(ReportOutputs {
        report: b.report.save(&text)?,
    })
}
// ANCHOR_END: report

fn main() -> Result<()> {
    let store = Store::open("_store")?;

    println!("# sweep");
    // ANCHOR: sweep
    let points = grid(([0.1, 0.4], [5, 10])); // all four combinations
    let runs = sweep(points, |(rate, steps)| Descent::new(rate, steps))?;
    println!("{:?}", labels(&runs));
    // ANCHOR_END: sweep

    println!("# table");
    // ANCHOR: collect
    let all = instantiate(Table::new(labelled(&runs)?))?;
    let all = store.realize(&all)?; // all five stages
    print!("{}", all.table.load()?);
    // ANCHOR_END: collect

    println!("# find");
    // ANCHOR: find
    let day = Duration::from_secs(24 * 60 * 60);
    let good = store.find().name("desc*").newer_than(day).metric(
        "result.json",
        "loss",
        ..0.1, // any range
    );
    let mut good: Vec<_> = good.run()?.collect::<Result<_, _>>()?;
    good.sort_by(|one, other| one.metrics()[0].total_cmp(&other.metrics()[0]));
    for (found, label) in good
        .iter()
        .zip(store.labels(good.iter().map(|one| one.id()))?)
    {
        println!("{:.6} {label}", found.metrics()[0]);
    }
    // ANCHOR_END: find

    println!("# typed");
    // ANCHOR: typed
    for run in store.find().field("steps", 5).stage::<Descent>().run()? {
        let run = run?; // an `RRef<Descent>`
        println!(
            "{} from {} to {:.3}",
            run.rate,
            run.start,
            run.result.load()?.x
        );
    }
    let same: RRef<Table> = store.realization_as(all.id())?; // from a reference that was kept somewhere
    println!("{} runs", same.runs.len());
    // ANCHOR_END: typed

    println!("# lens");
    // ANCHOR: lens
    let lens = store.lens(&all)?;
    println!("{:?}", lens.get("runs")?.names()?);
    let run = lens.get("runs[\"rate=0.1,steps=5\"]")?;
    println!("{}", run.get("rate")?.value::<f64>()?);
    println!("{:.3}", run.get("result.loss")?.value::<f64>()?); // into the JSON file
    if let Err(error) = run.get("result.los") {
        println!("{error}");
    }
    // ANCHOR_END: lens

    println!("# kinds");
    // ANCHOR: kinds
    let result = run.get("result")?; // an artifact
    println!("{:?}", result.path()?.file_name()); // where it is
    print!("{}", result.contents()?); // what is in it
    println!("{} of {}", result.refpath()?.1, result.dref()?);
    println!("{} needs {}", run.rref()?, run.closure()?.len());
    println!("{}", run.opt("momentum")?.is_some()); // there need not be one
    // ANCHOR_END: kinds

    println!("# graph");
    // ANCHOR: graph
    let best = good[0].id();
    println!("made from the best: {:?}", store.dependents(best)?);
    println!(
        "all that it was made from, and itself: {}",
        store.closure(&all)?.len()
    );
    println!("nothing was made from: {:?}", store.top_rrefs()?);
    // ANCHOR_END: graph

    println!("# diff");
    // ANCHOR: diff
    let (old, new) = (good[0].id(), good[1].id());
    println!("{}", store.diff(old, new)?);
    // ANCHOR_END: diff

    println!("# usage");
    // ANCHOR: usage
    let usage = store.disk_usage()?; // as text: a line for each derivation, and sums
    println!("{} bytes in {} files", usage.all.bytes, usage.all.files);
    let all_that_it_needs = store.disk_usage_of(store.closure(&all)?)?;
    // ANCHOR_END: usage
    assert_eq!(usage.all, all_that_it_needs.all);

    println!("# listing");
    // ANCHOR: listing
    println!("{} result", store.rrefs_of(runs[0].id())?.len());
    for entry in store.record(&all)?.manifest().entries() {
        println!("{}", entry.path);
    }
    let table = store.artifact(&all, "table.txt")?; // its path
    assert!(table.starts_with(all.path())); // in the folder of all artifacts
    print!("{}", fs::read_to_string(table)?);
    store.shell(&all)?.args(["-c", "ls"]).status()?; // without `args`, for you to type in
    // ANCHOR_END: listing

    println!("# deterministic");
    // ANCHOR: deterministic
    let check = |found| println!("{found}");
    check(Realize::new(&store).check_determinism(&runs[0], 3)?);
    // ANCHOR_END: deterministic

    println!("# differs");
    // ANCHOR: differs
    let report = instantiate(Report::new(runs[0].clone()))?;
    let made = store.realize(&report)?;
    check(Realize::new(&store).check_determinism(&report, 2)?);
    // ANCHOR_END: differs

    println!("# links");
    // ANCHOR: links
    store.link(&all, "_table")?; // to its artifacts, which are kept as long as this link is there
    store.link_derivation(&runs[0], "_run")?; // to its config and its results; keeps nothing
    print!("{}", fs::read_to_string("_table/table.txt")?);
    println!("{} root", store.roots()?.len());
    let would_go = store.gc().plan()?.realizations; // none: this program uses them all
    println!("{} would go", would_go.len());
    // ANCHOR_END: links

    println!("# copy");
    // ANCHOR: copy
    let other = Store::open("_other")?;
    other.copy_from(&store, [&all])?;
    println!("{} results are there", other.rrefs()?.len());
    // ANCHOR_END: copy

    println!("# remove");
    // ANCHOR: remove
    if let Err(error) = store.remove(&all.runs["rate=0.4,steps=5"]).run() {
        println!("{error:?}");
    }
    store.remove(&made).force().run()?; // this program uses it, too
    println!("{}", store.has(&made)?);
    // ANCHOR_END: remove
    Ok(())
}
