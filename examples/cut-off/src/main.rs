//! A table with a log beside it, and what is made of the table.

use pylightnix::prelude::*;

// ANCHOR: clean
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
        table: b.table.save("1,2\n3,4\n")?,
        log: b.log.save(&format!("cleaned at {}\n", b.start()))?,
    })
}
// ANCHOR_END: clean

// ANCHOR: rest
#[derive(Config)]
struct Train {
    #[selfref("model.txt")]
    model: SelfRef<Text>,
    #[dref]
    clean: DRef<Clean>,
}

#[stage]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let rows = b.clean.table.load()?.lines().count();
    Ok(TrainOutputs {
        model: b.model.save(&format!("a model of {rows} rows"))?,
    })
}

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
        score: b
            .score
            .save(&format!("{model} fits {} bytes", table.len()))?,
    })
}
// ANCHOR_END: rest

fn experiment() -> Result<(DRef<Clean>, DRef<Score>)> {
    let clean = instantiate(Clean::new())?;
    let train = instantiate(Train::new(clean.clone()))?;
    Ok((clean, instantiate(Score::new(train))?))
}

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    match std::env::args().nth(1).as_deref() {
        Some("first") => first(&store),
        Some("plan") => plan(&store),
        Some("run") => run(&store),
        Some("why") => why(&store),
        Some("reads") => reads(&store),
        _ => Err("say one of first, plan, run, why, reads".into()),
    }
}

fn first(store: &Store) -> Result<()> {
    let (_, report) = Realize::new(store).run_reporting(&experiment()?)?;
    println!("{report}");
    Ok(())
}

fn plan(store: &Store) -> Result<()> {
    // ANCHOR: plan
    let (clean, score) = experiment()?;
    println!("{}", Realize::new(store).force(&clean).plan(&score)?);
    // ANCHOR_END: plan
    Ok(())
}

fn run(store: &Store) -> Result<()> {
    // ANCHOR: run
    let (clean, score) = experiment()?;
    let (score, report) = Realize::new(store).force(&clean).run_reporting(&score)?;
    println!("{report}");
    println!("{}", score.score.load()?);
    // ANCHOR_END: run
    Ok(())
}

fn why(store: &Store) -> Result<()> {
    // ANCHOR: why
    let (_, score) = experiment()?;
    let score = store.realized(&score)?;
    println!("{}", store.why(&score)?.in_short());
    println!("{}", store.why(&score.train)?.in_short());
    // ANCHOR_END: why
    Ok(())
}

fn reads(store: &Store) -> Result<()> {
    // ANCHOR: reads
    let (_, score) = experiment()?;
    let score = store.realized(&score)?;
    for build in score.builds() {
        for read in build.reads.iter().flat_map(|reads| reads.iter()) {
            let way: Vec<_> = read
                .of
                .iter()
                .map(|(dref, _)| dref.name().as_str())
                .collect();
            println!("of {}: {:?}", way.join(" -> "), read.artifacts);
        }
    }
    // ANCHOR_END: reads
    Ok(())
}
