//! Long-running stages: external programs, retries and time limits, resources, and Ctrl-C.

use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pylightnix::prelude::*;
use pylightnix::realize::{Cancel, Event, Processes, Slurm};

// ANCHOR: sorted
#[derive(Config)]
struct Sorted {
    #[selfref("sorted.txt")]
    out: SelfRef<Text>,
    words: String,
}

#[stage]
fn sorted(b: &Build<Sorted>) -> Result<SortedOutputs> {
    let script = "echo sorting >&2; for word in $words; do echo $word; done | sort > $out";
    b.run(b.command("sh").args(["-c", script]))?;
    Ok(SortedOutputs {
        out: b.out.written()?,
    })
}
// ANCHOR_END: sorted

// ANCHOR: sampled
#[derive(Config)]
struct Sampled {
    #[selfref("sample.json")]
    out: SelfRef<Json<u64>>,
    below: u64,
}

#[stage(many, nouts = 3)]
fn sampled(b: &Build<Sampled>) -> Result<SampledOutputs> {
    writeln!(b.log(), "run {} began at {}", b.index(), b.start())?;
    let draft = b.scratch()?.join("draft"); // gone when the stage is done
    fs::write(&draft, (b.seed() % b.below).to_string())?;
    Ok(SampledOutputs {
        out: b.out.save(&fs::read_to_string(&draft)?.parse()?)?,
    })
}
// ANCHOR_END: sampled

// ANCHOR: fetched
#[derive(Config)]
struct Fetched {
    #[selfref("page.txt")]
    out: SelfRef<Text>,
}

#[stage(retries = 3, timeout = "10m")]
fn fetched(b: &Build<Fetched>) -> Result<FetchedOutputs> {
    let page = unreliable_server()?;
    Ok(FetchedOutputs {
        out: b.out.save(&page)?,
    })
}
// ANCHOR_END: fetched

/// Starts a server that responds to the third request.
fn unreliable_server() -> Result<String> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Err("nobody answered".into()),
        1 => Err("it hung up".into()),
        _ => Ok("Welcome\n".to_owned()),
    }
}

// ANCHOR: trained
#[derive(Config)]
struct Trained {
    #[selfref("loss.json")]
    out: SelfRef<Json<f64>>,
    layers: u32,
}

#[stage(threads = 2, memory = "100MiB", resources(gpu = 1))]
fn trained(b: &Build<Trained>) -> Result<TrainedOutputs> {
    let mut loss = f64::from(b.layers);
    for _epoch in 0..20 {
        b.check()?; // here it can be stopped
        loss /= f64::from(b.layers);
    }
    Ok(TrainedOutputs {
        out: b.out.save(&loss)?,
    })
}
// ANCHOR_END: trained

// ANCHOR: anywhere
/// The plan, which a process that runs a stage makes again.
fn experiment(_: &Run<'_>) -> Result<(DRef<Sorted>, DRef<Sampled, Many>)> {
    let words = "beech ash oak".to_owned();
    Ok((
        instantiate(Sorted::new(words))?,
        instantiate(Sampled::new(1000))?,
    ))
}

fn anywhere(store: &Store, place: &str) -> Result<()> {
    let run = Realize::new(store);
    let run = match place {
        "processes" => run.on(Processes::new()),
        "slurm" => run.on(Slurm::new()),
        _ => run,
    };
    let (sorted, samples) = run.evaluate(experiment)?;
    println!("{}", sorted.id());
    for sample in samples {
        println!("{}: {}", sample.id(), sample.out.load()?);
    }
    Ok(())
}
// ANCHOR_END: anywhere

fn main() -> Result<()> {
    // ANCHOR: worker
    pylightnix::worker(experiment)?; // does not return in a process that runs a stage
    // ANCHOR_END: worker
    let store = Store::open("_store")?;
    let place = std::env::args().nth(2).unwrap_or_default();
    match std::env::args().nth(1).as_deref() {
        None => {
            program(&store)?;
            sample(&store)?;
            tries(&store)?;
            resources(&store)
        }
        Some("program") => program(&store),
        Some("sample") => sample(&store),
        Some("broken") => broken(&store),
        Some("tries") => tries(&store),
        Some("resources") => resources(&store),
        Some("anywhere") => anywhere(&store, &place),
        Some(_) => {
            Err("say `program`, `sample`, `broken`, `tries`, `resources` or `anywhere`".into())
        }
    }
}

fn program(store: &Store) -> Result<()> {
    let words = "beech ash oak".to_owned();
    let sorted = store.realize(&instantiate(Sorted::new(words))?)?;
    print!("{}", sorted.out.load()?);
    Ok(())
}

fn sample(store: &Store) -> Result<()> {
    // ANCHOR: sample
    for sample in store.realize(&instantiate(Sampled::new(1000))?)? {
        println!("{}", sample.out.load()?);
    }
    // ANCHOR_END: sample
    Ok(())
}

fn broken(store: &Store) -> Result<()> {
    let sorted = instantiate(Sorted::new("x".to_owned()))?;
    // ANCHOR: broken
    let sorted = sorted.with_realizer("broken", |b| {
        b.run(b.command("sh").args(["-c", "echo reading; exit 3"]))
    });
    // ANCHOR_END: broken
    store.realize(&sorted)?;
    Ok(())
}

fn tries(store: &Store) -> Result<()> {
    // ANCHOR: tries
    let observer = |event: &Event<'_>| {
        if let Event::Retrying { error, .. } = event {
            println!("{error:?}");
        }
    };
    let run = Realize::new(store).retry_wait(Duration::from_millis(10));
    let page = run.observer(observer).run(&instantiate(Fetched::new())?)?;
    println!("{}", page.builds()[0].attempts);
    // ANCHOR_END: tries
    Ok(())
}

fn resources(store: &Store) -> Result<()> {
    // ANCHOR: resources
    let trained = [8, 16, 32].map(|layers| instantiate(Trained::new(layers)));
    let trained = trained
        .into_iter()
        .collect::<pylightnix::Result<Vec<_>>>()?;
    if let Err(error) = store.realize(&trained[0]) {
        println!("{error:?}\n");
    }

    let run = Realize::new(store).threads(4).resource("gpu", 2);
    let (_, report) = run.cancel(&Cancel::on_signals()?).run_reporting(&trained)?;
    println!("{report}");
    // ANCHOR_END: resources
    Ok(())
}
