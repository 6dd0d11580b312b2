//! What build records say about what a stage looked at in its dependencies.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where, and a stage may panic"
)]

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;

use pylightnix::BoxError;
use pylightnix::lens::{AnyRRef, Artifact};
use pylightnix::prelude::*;
use pylightnix::stages::{node, node_files, unpack};
use pylightnix::store::{BuildRecord, Read};
use tests::runs::{Told, scratch};

/// A format of a user, which may read any file beside its own.
enum Lines {}

impl Format for Lines {
    type Value = Vec<String>;
    type View = [String];

    fn read(path: &Path) -> Result<Vec<String>, BoxError> {
        let text = fs::read_to_string(path)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn write(value: &[String], path: &Path) -> Result<(), BoxError> {
        Ok(fs::write(path, value.concat())?)
    }
}

#[derive(Config)]
struct Params {
    #[selfref("rate.json")]
    rate: SelfRef<Json<f64>>,
}

#[stage]
fn params(b: &Build<Params>) -> Result<ParamsOutputs> {
    Ok(ParamsOutputs {
        rate: b.rate.save(&0.5)?,
    })
}

#[derive(Config)]
struct Data {
    #[selfref("table.csv")]
    table: SelfRef<Text>,
    #[selfref("raw/bytes")]
    bytes: SelfRef<Bytes>,
    #[selfref("lines.txt")]
    lines: SelfRef<Lines>,
    #[selfref("wrong.json")]
    wrong: SelfRef<Json<u64>>,
    #[selfref("array.npy")]
    array: SelfRef<Npy<f64>>,
    #[selfref("tree")]
    tree: SelfRef,
    #[dref]
    params: DRef<Params>,
    rows: u64,
}

#[stage]
fn data(b: &Build<Data>) -> Result<()> {
    fs::create_dir(b.tree.path())?;
    fs::write(b.tree.path().join("leaf"), "x")?;
    fs::write(b.wrong.path(), "not a number")?;
    let _ = b.table.save("1,2")?;
    let _ = b.bytes.save(b"x")?;
    let _ = b.lines.save(&["one".to_owned()])?;
    let _ = b.array.save(&ndarray::arr1(&[1.]).into_dyn())?;
    Ok(())
}

#[derive(Config)]
struct Sample {
    #[selfref("loss.json")]
    loss: SelfRef<Json<usize>>,
    #[dref]
    params: DRef<Params>,
}

#[stage(many, nouts = 2)]
fn sample(b: &Build<Sample>) -> Result<SampleOutputs> {
    Ok(SampleOutputs {
        loss: b.loss.save(&b.index())?,
    })
}

#[derive(Config)]
struct Trial {
    #[selfref("score.json")]
    score: SelfRef<Json<f64>>,
    rate: f64,
}

#[stage(fallible)]
fn trial(b: &Build<Trial>) -> Result<TrialOutputs> {
    writeln!(b.log(), "begins")?;
    if b.rate > 1. {
        return Err("it diverged".into());
    }
    Ok(TrialOutputs {
        score: b.score.save(&b.rate)?,
    })
}

/// What a stage looks at.
type Look = fn(&Build<Looks>) -> Result<()>;

/// A stage that looks at what a test lets it look at.
#[derive(Config)]
struct Looks {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    data: DRef<Data>,
}

/// The stage that looks at nothing.
#[stage]
fn looks(b: &Build<Looks>) -> Result<LooksOutputs> {
    Ok(LooksOutputs {
        out: b.out.save("")?,
    })
}

#[derive(Config)]
struct LooksAtMany {
    #[dref]
    samples: DRef<Sample, Many>,
    #[dref]
    losses: RefPath<Json<usize>, Many>,
}

#[stage]
fn looks_at_many(_: &Build<LooksAtMany>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Tally {
    #[selfref("sum.json")]
    sum: SelfRef<Json<usize>>,
    #[dref]
    samples: DRef<Sample, Many>,
}

#[stage]
fn tally(b: &Build<Tally>) -> Result<TallyOutputs> {
    let losses = b.samples.iter().map(|sample| sample.loss.load());
    Ok(TallyOutputs {
        sum: b.sum.save(&losses.sum::<Result<_, _>>()?)?,
    })
}

#[derive(Config)]
struct LooksAtTally {
    #[dref]
    tally: DRef<Tally>,
}

#[stage]
fn looks_at_tally(_: &Build<LooksAtTally>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct LooksAtTry {
    #[dref]
    trial: DRef<Trial, Try<One>>,
    #[dref]
    score: RefPath<Json<f64>, Try<One>>,
}

#[stage]
fn looks_at_try(_: &Build<LooksAtTry>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct LooksAtPaths {
    #[dref]
    table: RefPath<Text>,
    #[dref]
    parts: Vec<RefPath>,
}

#[stage]
fn looks_at_paths(_: &Build<LooksAtPaths>) -> Result<()> {
    Ok(())
}

fn data_of(rows: u64) -> DRef<Data> {
    let params = instantiate(Params::new()).unwrap();
    instantiate(Data::new(params, rows)).unwrap()
}

fn many() -> DRef<LooksAtMany> {
    let samples = instantiate(Sample::new(instantiate(Params::new()).unwrap())).unwrap();
    let losses = samples.loss.clone();
    instantiate(LooksAtMany::new(samples, losses)).unwrap()
}

fn tallies() -> DRef<LooksAtTally> {
    let samples = instantiate(Sample::new(instantiate(Params::new()).unwrap())).unwrap();
    let tally = instantiate(Tally::new(samples)).unwrap();
    instantiate(LooksAtTally::new(tally)).unwrap()
}

fn tries(rate: f64) -> DRef<LooksAtTry> {
    let trial = instantiate(Trial::new(rate)).unwrap();
    let score = trial.score.clone();
    instantiate(LooksAtTry::new(trial, score)).unwrap()
}

/// Returns the newest build of what the target gives.
fn newest<C: Config>(store: &Store, target: &DRef<C>) -> BuildRecord {
    store
        .realize(target)
        .unwrap()
        .builds()
        .last()
        .unwrap()
        .clone()
}

/// Returns a line for each place that a run looked at: the way, and what.
fn said(record: &BuildRecord) -> Vec<String> {
    let reads = record.reads.as_ref().expect("what it looked at is known");
    let line = |read: &Read| {
        let steps = read
            .of
            .iter()
            .map(|(dref, at)| format!("{}#{at}", dref.name()));
        let mut what: Vec<_> = read.artifacts.iter().cloned().collect();
        what.extend(read.paths.iter().map(|path| format!("path {path}")));
        let flags = [
            ("all", read.all),
            ("reference", read.reference),
            ("outcome", read.outcome),
        ];
        what.extend(flags.iter().filter(|flag| flag.1).map(|flag| flag.0.into()));
        let numbers = read.numbers.iter();
        what.extend(numbers.map(|dref| format!("number of {}", dref.name())));
        format!(
            "{}: {}",
            steps.collect::<Vec<_>>().join(" "),
            what.join(", ")
        )
    };
    let mut lines: Vec<_> = reads.iter().map(line).collect();
    lines.sort();
    lines
}

/// Runs a stage that looks as `look` says, and returns what its record says.
fn seen<C: Config>(
    store: &Store,
    target: DRef<C>,
    look: impl Fn(&Build<C>) -> Result<()> + Send + Sync + 'static,
) -> Vec<String> {
    static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    // Another label is other code, so that the stage runs.
    let target = target.with_realizer(&call.to_string(), move |b| {
        fs::write(b.path().join("out.txt"), "")?;
        look(b)
    });
    said(&newest(store, &target))
}

/// Runs a stage that depends on data, and returns what its record says.
fn seen_in_data(
    store: &Store,
    look: impl Fn(&Build<Looks>) -> Result<()> + Send + Sync + 'static,
) -> Vec<String> {
    seen(store, instantiate(Looks::new(data_of(1))).unwrap(), look)
}

fn keep<T>(_: T) -> Result<()> {
    Ok(())
}

#[test]
fn nothing_is_looked_at() {
    let (_folder, store) = scratch();
    let record = newest(&store, &instantiate(Looks::new(data_of(1))).unwrap());
    assert!(said(&record).is_empty());
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["reads"], serde_json::json!([]));
    // Of a stage without dependencies this is known too.
    assert!(said(&newest(&store, &instantiate(Params::new()).unwrap())).is_empty());
    // The config says these.
    assert!(seen_in_data(&store, |b| keep((b.data.rows, b.index()))).is_empty());
    // A handle that is only passed on says nothing.
    assert!(seen_in_data(&store, |b| keep((b.data.clone(), b.data.erase()))).is_empty());
}

#[test]
fn an_artifact_is_loaded() {
    let (_folder, store) = scratch();
    let lines = seen_in_data(&store, |b| {
        keep((b.data.table.load()?, b.data.bytes.load()?))
    });
    assert_eq!(lines, ["data#0: raw/bytes, table.csv"]);
    let lines = seen_in_data(&store, |b| keep(b.data.array.load()?));
    assert_eq!(lines, ["data#0: array.npy"]);
    let lines = seen_in_data(&store, |b| keep(b.data.clone().table.clone().load()?));
    assert_eq!(lines, ["data#0: table.csv"]);
    let lines = seen_in_data(&store, |b| {
        keep(b.data.erase().downcast::<Data>().unwrap().table.load()?)
    });
    assert_eq!(lines, ["data#0: table.csv, outcome"]);
    // The error names the realization.
    let lines = seen_in_data(&store, |b| keep(b.data.wrong.load().unwrap_err()));
    assert_eq!(lines, ["data#0: wrong.json, reference"]);
}

#[test]
fn everything_may_be_looked_at() {
    let (_folder, store) = scratch();
    let looks: [Look; 8] = [
        |b| keep(b.data.path().to_owned()),
        |b| keep(b.data.erase().path().to_owned()),
        |b| keep(b.data.table.path().to_owned()),
        |b| keep(fs::read(&b.data.table)?),
        |b| keep(format!("{:?}", b.data.tree)),
        |b| keep(b.data.lines.load()?),
        |b| keep(b.command("true")),
        |b| keep(b.field_file("data")?),
    ];
    for (at, look) in looks.into_iter().enumerate() {
        assert_eq!(seen_in_data(&store, look), ["data#0: all"], "{at}");
    }
    let lines = seen_in_data(&store, |b| keep(b.fields_file()?));
    assert_eq!(lines, ["data#0: all"]);
    // It includes each.
    let lines = seen_in_data(&store, |b| {
        keep((b.data.table.load()?, b.data.table.path()))
    });
    assert_eq!(lines, ["data#0: all"]);
}

#[test]
fn the_reference_is_looked_at() {
    let (_folder, store) = scratch();
    let looks: [Look; 14] = [
        |b| keep(b.data.id().clone()),
        |b| keep(b.data.table.rref().clone()),
        |b| keep(b.data.builds().len()),
        |b| keep(b.data.built_at()),
        |b| keep(b.data.context().count()),
        |b| keep(b.data.to_string()),
        |b| keep(format!("{:?}", b.data)),
        |b| keep(b.data == b.data),
        |b| keep(b.data < b.data),
        |b| keep(HashSet::from([b.data.clone()])),
        |b| keep(AsRef::<pylightnix::config::RRefId>::as_ref(&b.data).clone()),
        |b| keep(b.data.erase().id().clone()),
        |b| keep(b.data.erase().to_string()),
        |b| keep(format!("{:?}", b.data.erase())),
    ];
    for (at, look) in looks.into_iter().enumerate() {
        assert_eq!(seen_in_data(&store, look), ["data#0: reference"], "{at}");
    }
}

#[test]
fn dependencies_of_dependencies_have_places() {
    let (_folder, store) = scratch();
    let lines = seen_in_data(&store, |b| keep(b.data.params.rate.load()?));
    assert_eq!(lines, ["data#0 params#0: rate.json"]);
    let lines = seen(&store, tallies(), |b| keep(b.tally.sum.load()?));
    // The fields of `tally` have a list.
    assert_eq!(lines, ["tally#0: sum.json, number of sample"]);
    let lines = seen(&store, tallies(), |b| {
        let last = &b.tally.samples[1];
        keep((last.loss.load()?, last.params.path()))
    });
    assert_eq!(
        lines,
        [
            "tally#0 sample#1 params#0: all",
            "tally#0 sample#1: loss.json",
            "tally#0: number of sample"
        ]
    );
    let lines = seen(&store, tallies(), |b| keep(b.tally.id().clone()));
    assert_eq!(lines, ["tally#0: reference"]);
}

#[test]
fn the_number_of_many_is_looked_at() {
    let (_folder, store) = scratch();
    assert_eq!(seen(&store, many(), |_| Ok(())), [": number of sample"]);
    let lines = seen(&store, many(), |b| {
        keep((b.samples[1].loss.load()?, b.losses[0].path()))
    });
    assert_eq!(
        lines,
        [": number of sample", "sample#0: all", "sample#1: loss.json"]
    );
    let lines = seen(&store, many(), |b| keep(b.command("true")));
    assert_eq!(
        lines,
        [": number of sample", "sample#0: all", "sample#1: all"]
    );
}

#[test]
fn the_outcome_of_a_try_is_looked_at() {
    let (_folder, store) = scratch();
    for rate in [0.5, 2.] {
        let lines = seen(&store, tries(rate), |_| Ok(()));
        assert_eq!(lines, ["trial#0: outcome"]);
    }
    let lines = seen(&store, tries(0.5), |b| {
        keep(b.trial.clone().unwrap().score.load()?)
    });
    assert_eq!(lines, ["trial#0: score.json, outcome"]);
    // Its text is its outcome.
    let lines = seen(&store, tries(2.), |b| {
        let failure = b.trial.clone().unwrap_err();
        keep((failure.text().to_owned(), failure.to_string()))
    });
    assert_eq!(lines, ["trial#0: outcome"]);
    let references: [fn(&Failure) -> Result<()>; 6] = [
        |failure| keep(failure.id().clone()),
        |failure| keep(failure.builds().len()),
        |failure| keep(failure.log()),
        |failure| keep(format!("{failure:?}")),
        |failure| keep(failure == failure),
        |failure| keep(AsRef::<pylightnix::config::RRefId>::as_ref(failure).clone()),
    ];
    for (at, look) in references.into_iter().enumerate() {
        let lines = seen(&store, tries(2.), move |b| {
            look(b.trial.as_ref().unwrap_err())
        });
        assert_eq!(lines, ["trial#0: reference, outcome"], "{at}");
    }
    let lines = seen(&store, tries(2.), |b| {
        keep(b.score.clone().unwrap_err().path().to_owned())
    });
    assert_eq!(lines, ["trial#0: all, outcome"]);
}

#[test]
fn a_recorded_failure_has_reads_too() {
    /// Fails, after a look.
    #[derive(Config)]
    struct Fails {
        #[dref]
        data: DRef<Data>,
        #[dref]
        trial: DRef<Trial, Try<One>>,
    }

    #[stage(fallible)]
    fn fails(b: &Build<Fails>) -> Result<()> {
        b.data.table.load()?;
        b.trial.clone()?;
        Ok(())
    }
    let (_folder, store) = scratch();
    let trial = instantiate(Trial::new(2.)).unwrap();
    let fails = instantiate(Fails::new(data_of(1), trial)).unwrap();
    let told = Told::default();
    let failure = Realize::new(&store).observer(&told).run(&fails).unwrap();
    let failure = failure.unwrap_err();
    assert_eq!(
        said(&failure.builds()[0]),
        ["data#0: table.csv", "trial#0: outcome"]
    );
    // The failure of a dependency leaves the stage as its error, which is no mistake.
    assert!(told.of("late").is_empty());
}

#[test]
fn an_attempt_has_its_own_reads() {
    let (_folder, store) = scratch();
    let looks = instantiate(Looks::new(data_of(1))).unwrap();
    let looks = looks.with_realizer("two tries", |b: &Build<Looks>| -> Result<()> {
        fs::write(b.path().join("out.txt"), "")?;
        let mark = b.scratch()?.parent().unwrap().parent().unwrap();
        let mark = mark.join("tried");
        if !mark.exists() {
            fs::write(mark, "")?;
            b.data.path();
            return Err("once more".into());
        }
        fs::remove_file(mark)?;
        keep(b.data.table.load()?)
    });
    let looks = looks.with_limits(pylightnix::plan::Limits::new().retries(1));
    let record = newest(&store, &looks);
    assert_eq!(record.attempts, 2);
    assert_eq!(said(&record), ["data#0: table.csv"]);
}

#[test]
fn threads_are_noted() {
    let (_folder, store) = scratch();
    let lines = seen(&store, many(), |b| {
        thread::scope(|scope| {
            for sample in &b.samples {
                scope.spawn(move || sample.loss.load().unwrap());
            }
        });
        // A thread that outlives a call of the stage, and not the stage.
        let (to, from) = sync_channel(0);
        let params = b.samples[0].params.clone();
        let _ = thread::spawn(move || to.send(params.rate.load().unwrap()).unwrap());
        keep(from.recv()?)
    });
    assert_eq!(
        lines,
        [
            ": number of sample",
            "sample#0 params#0: rate.json",
            "sample#0: loss.json",
            "sample#1: loss.json"
        ]
    );
}

/// A place where a stage leaves what it should not.
type Left<T> = Arc<Mutex<Option<T>>>;

#[test]
fn what_is_looked_at_after_the_run_is_an_error() {
    /// A stage that is made after the other.
    #[derive(Config)]
    struct Later {
        #[dref]
        before: DRef<Looks>,
    }

    #[stage]
    fn later(_: &Build<Later>) -> Result<()> {
        Ok(())
    }
    let (_folder, store) = scratch();
    let left: Left<(RRef<Data>, Artifact<Text>, AnyRRef)> = Left::default();
    let inside = left.clone();
    let leaves = instantiate(Looks::new(data_of(1))).unwrap();
    let leaves = leaves.with_realizer("leaves", move |b: &Build<Looks>| -> Result<()> {
        fs::write(b.path().join("out.txt"), "")?;
        let all = (b.data.clone(), b.data.table.clone(), b.data.erase());
        *inside.lock().unwrap() = Some(all);
        keep(b.data.bytes.load()?)
    });
    // Another stage looks at what the first one left.
    let inside = left.clone();
    let finds = instantiate(Later::new(leaves)).unwrap();
    let finds = finds.with_realizer("finds", move |_: &Build<Later>| -> Result<()> {
        let (data, table, any) = inside.lock().unwrap().clone().unwrap();
        assert_eq!(table.load()?, "1,2");
        keep((data.params.rate.load()?, any.id()))
    });
    let told = Told::default();
    let found = Realize::new(&store).observer(&told).run(&finds).unwrap();
    assert_eq!(said(&found.builds()[0]), [""; 0]);
    let made = &found.before;
    assert_eq!(said(&made.builds()[0]), ["data#0: raw/bytes"]);
    assert_eq!(told.of("late"), ["late looks#0 data"]);
    // And nothing panics when all is over.
    let (data, table, any) = left.lock().unwrap().take().unwrap();
    assert_eq!(table.load().unwrap(), "1,2");
    assert_eq!(data.id(), any.id());
    assert_eq!(data.params.rate.load().unwrap(), 0.5);
}

#[test]
fn outside_of_stages_nothing_is_noted() {
    let (_folder, store) = scratch();
    let data = store.realize(&data_of(1)).unwrap();
    let told = Told::default();
    let looks = instantiate(Looks::new(data_of(1))).unwrap();
    let looks = looks.highest(|run| Ok(run.data.rows + run.data.id().to_string().len() as u64));
    let looked = Realize::new(&store).observer(&told).run(&looks).unwrap();
    assert_eq!(looked.data, data);
    assert_eq!(looked.data.table.load().unwrap(), "1,2");
    assert!(looked.data.path().is_dir());
    assert!(said(looked.builds().last().unwrap()).is_empty());
    assert!(told.of("late").is_empty());
}

#[test]
fn a_stage_says_that_it_reads_artifacts_alone() {
    #[derive(Config)]
    struct Copies {
        #[dref]
        data: DRef<Data>,
        #[dref]
        table: RefPath<Text>,
        #[dref]
        leaf: RefPath,
        how: u32,
    }

    #[stage(reads = artifacts)]
    fn copies(b: &Build<Copies>) -> Result<()> {
        match b.how {
            0 => {
                fs::copy(b.table.path(), b.path().join("copy"))?;
                fs::read(&b.leaf)?;
                b.data.lines.load()?;
            }
            1 => keep(format!("{:?}", b.data.tree))?,
            2 => keep(b.data.path())?,
            _ => b.run(&mut b.command("true"))?,
        }
        Ok(())
    }
    let (_folder, store) = scratch();
    let lines = |how| {
        let data = data_of(1);
        let (table, leaf) = (data.table.clone(), data.tree.join("leaf").unwrap());
        let copies = instantiate(Copies::new(data, table, leaf, how)).unwrap();
        said(&newest(&store, &copies))
    };
    assert_eq!(
        lines(0),
        ["data#0: path lines.txt, path table.csv, path tree/leaf"]
    );
    assert_eq!(lines(1), ["data#0: path tree"]);
    assert_eq!(lines(2), ["data#0: all"]);
    // The folder of `data` is a variable too.
    assert_eq!(lines(3), ["data#0: all"]);
}

#[test]
fn the_environment_of_a_command_has_paths_of_artifacts() {
    #[derive(Config)]
    struct Joins {
        #[dref]
        table: RefPath<Text>,
        #[dref]
        parts: Vec<RefPath>,
    }

    #[stage(reads = artifacts)]
    fn joins(b: &Build<Joins>) -> Result<()> {
        let script = "cat $table $parts > $PYLIGHTNIX_OUT/copy";
        b.run(b.command("sh").args(["-c", script]))?;
        Ok(())
    }
    let (_folder, store) = scratch();
    let data = data_of(1);
    let (table, leaf) = (data.table.clone(), data.tree.join("leaf").unwrap());
    let joins = instantiate(Joins::new(table.clone(), vec![leaf.clone()])).unwrap();
    assert_eq!(
        said(&newest(&store, &joins)),
        ["data#0: path table.csv, path tree/leaf"]
    );
    let paths = instantiate(LooksAtPaths::new(table, vec![leaf])).unwrap();
    let lines = seen(&store, paths, |b| keep(b.command("true")));
    assert_eq!(lines, ["data#0: all"]);
}

#[test]
fn a_stage_says_that_it_reads_all() {
    #[derive(Config)]
    struct Reads {
        #[dref]
        data: DRef<Data>,
    }

    #[stage(reads = all)]
    fn reads(b: &Build<Reads>) -> Result<()> {
        keep(b.data.table.load()?)
    }
    let (_folder, store) = scratch();
    let reads = instantiate(Reads::new(data_of(1))).unwrap();
    assert_eq!(newest(&store, &reads).reads, None);
    // It says so of its function, and not of another realizer.
    let lines = seen(&store, reads, |b| keep(b.data.table.load()?));
    assert_eq!(lines, ["data#0: table.csv"]);
}

#[test]
fn an_archive_is_read_alone() {
    let (_folder, store) = scratch();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"text").unwrap();
    let archive = gz.finish().unwrap();
    let unpacked = unpack(node::<Bytes>("archive", &archive).unwrap()).unwrap();
    assert_eq!(
        said(&newest(&store, &unpacked)),
        ["archive#0: path content"]
    );
    let files = node_files("files", [("a.gz", archive.clone()), ("b.gz", archive)]).unwrap();
    let unpacked = unpack(files.out.join("b.gz").unwrap()).unwrap();
    assert_eq!(
        said(&newest(&store, &unpacked)),
        ["files#0: path content/b.gz"]
    );
}

#[test]
fn a_result_made_by_hand_has_no_reads() {
    let (_folder, store) = scratch();
    let looks = instantiate(Looks::new(data_of(1))).unwrap();
    let mut stepping = Realize::new(&store).step(looks.clone()).unwrap();
    let paused = stepping.run_to(&looks).unwrap();
    let mut by_hand = stepping.take(&looks).unwrap();
    keep(paused).unwrap();
    by_hand.data.table.load().unwrap();
    let out = by_hand.out.save("").unwrap();
    let made = by_hand.finish(LooksOutputs { out }).unwrap();
    assert_eq!(made.builds()[0].reads, None);
}

#[test]
fn reads_are_as_many_as_places() {
    /// A stage of very many dependencies.
    #[derive(Config)]
    struct Wide {
        #[dref]
        trials: Vec<RefPath<Json<f64>, Try<One>>>,
    }

    #[stage]
    fn wide(b: &Build<Wide>) -> Result<()> {
        for trial in &b.trials {
            trial.clone()?.load()?;
        }
        // Once more, with no more places.
        let _ = (b.command("true"), b.command("true"));
        Ok(())
    }
    let (_folder, store) = tests::runs::in_memory();
    let trials = (0..500).map(|at| instantiate(Trial::new(f64::from(at) / 1000.)).unwrap());
    let trials = trials.map(|trial| trial.score.clone()).collect();
    let record = newest(&store, &instantiate(Wide::new(trials)).unwrap());
    assert_eq!(record.reads.unwrap().iter().count(), 500);
}

#[test]
fn a_chain_of_any_length_can_be_gone_down() {
    /// A stage that goes down.
    #[derive(Config)]
    struct Link {
        #[selfref("depth.json")]
        depth: SelfRef<Json<u64>>,
        #[dref]
        next: Option<DRef<Link>>,
        goes_down: bool,
    }

    #[stage]
    fn link(b: &Build<Link>) -> Result<LinkOutputs> {
        let (mut depth, mut at) = (0, b.next.clone());
        while let Some(next) = at.filter(|_| b.goes_down) {
            next.depth.load()?;
            depth += 1;
            at = next.next.clone();
        }
        Ok(LinkOutputs {
            depth: b.depth.save(&depth)?,
        })
    }
    let (_folder, store) = tests::runs::in_memory();
    let mut chain = None;
    for _ in 0..700 {
        chain = Some(instantiate(Link::new(chain, false)).unwrap());
    }
    let last = instantiate(Link::new(chain, true)).unwrap();
    let made = store.realize(&last).unwrap();
    assert_eq!(made.depth.load().unwrap(), 700);
    // The ways to all places are too long to be kept, so nothing is claimed.
    assert_eq!(made.builds()[0].reads, None);
}
